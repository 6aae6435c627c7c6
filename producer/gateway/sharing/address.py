"""Where the other gateways of a store reach this one.

An address is a gateway's URL, with the port of its links as the fragment: ``http://10.0.0.5:8081#40123``.
It is the client id of the gateway's member; people and other programs are shown its URL (``gateway_url``).
"""

import socket
from urllib.parse import urlsplit

from foundation.http.addresses import UnknownHost, bracketed, family, host_name, is_wildcard, resolve
from foundation.settings import Settings

_ANY_PORT = 9


def advertised_address(settings: Settings, link_port: int) -> str:
    """The address of a gateway that takes links on ``link_port``.

    Its URL is the setting ``advertise``, by default what the gateway listens on. A gateway that listens on
    all addresses advertises the one from which this machine reaches Kafka.
    """
    return f"{_url(settings)}#{link_port}"


def link_of(address: str) -> tuple[str, int]:
    """Host and port of the gateway's links. Raises ValueError if the address has no such port."""
    parts = urlsplit(address)
    return parts.hostname or "", int(parts.fragment)


def _url(settings: Settings) -> str:
    if settings.advertise:
        return settings.advertise.rstrip("/")
    host = host_name(settings.host)
    if is_wildcard(host):
        host = _address_towards(settings.kafka.partition(",")[0].rpartition(":")[0].strip("[]"))
    return f"http://{bracketed(host)}:{settings.effective_gateway_port}"


def _address_towards(host: str) -> str:
    """The address of this machine from which ``host`` is reached. No packet is sent: UDP has no handshake."""
    try:
        address = resolve(host or "localhost")
        with socket.socket(family(address), socket.SOCK_DGRAM) as probe:
            probe.connect((address, _ANY_PORT))
            return str(probe.getsockname()[0])
    except (OSError, UnknownHost):
        # Kafka can't be resolved yet; others on this machine still reach us
        return "127.0.0.1"
