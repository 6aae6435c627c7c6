"""The address behind a host name that a server listens on."""

import ipaddress
import socket


class UnknownHost(Exception):
    """The host can't be resolved, or is no address of this machine; the message names it."""


def resolve(host: str) -> str:
    """The IP address to listen on: of ``localhost``, of another name, or the address itself.

    IPv4 is preferred, because clients that get ``localhost`` try both. Raises UnknownHost, also for an empty
    host, which the system's resolver takes for any address, and for multicast and broadcast: the system lets
    a server listen there, but nobody can connect.
    """
    name = host_name(host)
    if not name.strip():
        raise UnknownHost(f"host {host!r} is empty: 0.0.0.0 means all addresses of this machine")
    if "%" in name:
        raise UnknownHost(f"host {host!r} has a zone, which the address of a service can't have")
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnknownHost(f"host {host!r} can't be resolved: {reason}") from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    address = str(found[0][4][0])
    if ipaddress.ip_address(address).is_multicast or _is_broadcast(address):
        raise UnknownHost(f"host {host!r} is an address of several machines")
    return address


def _is_broadcast(address: str) -> bool:
    """Whether this machine reaches several others at the address. No packet is sent."""
    with socket.socket(family(address), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except PermissionError:
            # For want of SO_BROADCAST
            return True
        except OSError:
            # There is no route, for example
            return False
    return False


def is_wildcard(host: str) -> bool:
    """Whether a server that listens on ``host`` listens on all addresses. Raises UnknownHost."""
    return ipaddress.ip_address(resolve(host)).is_unspecified


def host_name(host: str) -> str:
    """A host without the brackets of an IPv6 address, or the dot of the root after a name."""
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    return name.removesuffix(".") or name


def bracketed(host: str) -> str:
    """A host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def family(address: str) -> socket.AddressFamily:
    """The socket family of an IP address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
