"""Ports for services that a test restarts."""

import random

from library.process.ports import is_free

_RANGE = range(20_000, 32_000)
"""Linux uses none of these for outgoing connections: a port is still free when its service restarts."""


def stable_ports(count: int) -> list[int]:
    """Return ``count`` consecutive free ports."""
    while True:
        first = random.choice(_RANGE)
        ports = list(range(first, first + count))
        if all(is_free(port) for port in ports):
            return ports
