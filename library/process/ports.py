"""Free ports, and the process that holds a port."""

import socket

HOST = "127.0.0.1"


class PortInUse(Exception):
    """Another process listens on the port; the message names it if its name can be read."""


def free_port(host: str = HOST) -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, service: str, flag: str, host: str = HOST) -> None:
    """Raises PortInUse, naming the holder and the flag that chooses another port."""
    if not is_free(port, host):
        raise PortInUse(
            f"port {port} for {service} is in use by {holder(port)}: stop it, "
            f"or choose another port with {flag} PORT"
        )


def holder(port: int) -> str:
    """The process that listens on the port, as ``name (process 123)``."""
    import psutil

    try:
        for connection in psutil.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program (its name can't be seen from here)"
