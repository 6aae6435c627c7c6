"""The address behind a host name that a server listens on."""

import socket

WILDCARDS = frozenset({"0.0.0.0", "::"})


class UnknownHost(Exception):
    """The host can't be resolved, or is no address of this machine; the message names it."""


def resolve(host: str) -> str:
    """The IP address to listen on: of ``localhost``, of another name, or the address itself; "" is any.

    IPv4 is preferred, because clients that get ``localhost`` try both. Raises UnknownHost.
    """
    if not host:
        return "0.0.0.0"
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnknownHost(f"host {host!r} can't be resolved: {reason}") from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0])


def bracketed(host: str) -> str:
    """A host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def family(address: str) -> socket.AddressFamily:
    """The socket family of an IP address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
