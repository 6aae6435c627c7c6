"""Ports for what stops and starts again in a test."""

import random

from library.process.ports import is_free

_RANGE = range(20_000, 32_000)
"""Linux gives none of these to outgoing connections, so one is still free when its service comes back."""


def stable_ports(count: int) -> list[int]:
    """So many free ports, one after the other."""
    while True:
        first = random.choice(_RANGE)
        ports = list(range(first, first + count))
        if all(is_free(port) for port in ports):
            return ports
