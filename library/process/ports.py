"""Which ports are free, and who holds one that isn't."""

import socket

HOST = "127.0.0.1"


class PortInUse(Exception):
    """Another process listens there; the message names it where that can be told."""


def free_port(host: str = HOST) -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, wanted_by: str, flag: str, host: str = HOST) -> None:
    """Raises PortInUse, naming the holder and the flag that chooses another port."""
    if not is_free(port, host):
        raise PortInUse(
            f"port {port}, wanted by {wanted_by}, is in use by {holder(port)}: stop it, "
            f"or choose another port with {flag} PORT"
        )


def holder(port: int) -> str:
    """Who listens on the port, as ``name (process 123)``."""
    import psutil

    try:
        for connection in psutil.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program (its name can't be seen from here)"
