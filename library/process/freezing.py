"""Whether a process is frozen: it exists and does nothing, because it got SIGSTOP or SIGTSTP."""


def is_frozen(pid: int) -> bool:
    """Whether the process is stopped by a signal; one that a debugger holds, or that is gone, is not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False
