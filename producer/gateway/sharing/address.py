"""Where the other gateways of a store reach this one."""

import socket

from foundation.http.addresses import UnknownHost, bracketed, family, host_name, is_wildcard, resolve
from foundation.settings import Settings

_ANY_PORT = 9


def advertised_address(settings: Settings) -> str:
    """The setting ``advertise``; by default the address that the gateway listens on.

    A gateway that listens on all addresses advertises the one from which this machine reaches Kafka.
    """
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
