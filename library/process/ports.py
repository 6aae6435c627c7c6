"""Free ports, and the process that holds a port."""

import errno
import os
import secrets
import socket

HOST = "127.0.0.1"
FOR_SERVERS = range(20_000, 32_768)
"""Linux and macOS give outgoing connections higher ports only, unless they are configured otherwise."""


class PortInUse(Exception):
    """A server can't listen on the port; the message says why, and names the process that holds it."""


def free_port() -> int:
    """A port that is free at the moment, and that no outgoing connection takes."""
    while not is_free(port := secrets.choice(FOR_SERVERS)):
        pass
    return port


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on the port of the IP address ``host``."""
    return _bind_error(port, host) == 0


def require_free(port: int, service: str, flag: str, host: str = HOST) -> None:
    """Raises PortInUse, naming the holder and the flag that chooses another port."""
    match _bind_error(port, host):
        case 0:
            return
        case errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} for {service} is in use by {holder(port)}: stop it, "
                f"or choose another port with {flag} PORT"
            )
        case errno.EADDRNOTAVAIL:
            raise PortInUse(f"{host} is no address of this machine: choose another with --host ADDRESS")
        case number:
            raise PortInUse(
                f"port {port} for {service} can't be used ({os.strerror(number)}): "
                f"choose another port with {flag} PORT"
            )


def _bind_error(port: int, host: str) -> int:
    """The error number of binding there; 0: none."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno or errno.EIO
    return 0


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
