"""Start a program that dies with its parent: ``python die_with_parent.py PARENT_PID PROGRAM ARGUMENT…``.

A killed supervisor can't stop its children; on Linux the kernel does. This runs as a script: it costs one
small interpreter and none of our imports, and the program takes over its process id.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def dying_with_me(command: list[str]) -> list[str]:
    """The command wrapped to end with this process.

    On Linux the kernel watches the starting thread: start children from the main thread.
    """
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


def main() -> None:
    """Become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent is gone")
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
