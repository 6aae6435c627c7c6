"""Positions in the event store: ``partition:offset``, the offset included."""

from collections.abc import Mapping
from typing import NamedTuple


class BadPosition(ValueError):
    """The text is not a position."""


class Position(NamedTuple):
    """The record at ``offset`` of ``partition``, and all before it there."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @staticmethod
    def of(text: str) -> "Position":
        """The position that a receipt or an event has. Raises ValueError."""
        partition, _, offset = text.partition(":")
        return Position(int(partition), int(offset))


def format_positions(offsets: Mapping[int, int]) -> str:
    """``{0: 12, 3: 40}`` as ``0:12,3:40``; partitions without an event (-1) are left out."""
    return ",".join(f"{p}:{offset}" for p, offset in sorted(offsets.items()) if offset >= 0)


def parse_positions(text: str) -> dict[int, int]:
    """``0:12,3:40`` as ``{0: 12, 3: 40}``. Raises BadPosition."""
    positions: dict[int, int] = {}
    for part in text.split(","):
        partition, colon, offset = part.strip().partition(":")
        if not (colon and _number(partition) and _number(offset)):
            raise BadPosition(f"{part.strip()[:80]!r} is not <partition>:<offset>, for example 3:17")
        if int(partition) in positions:
            raise BadPosition(f"partition {partition} is named twice")
        positions[int(partition)] = int(offset)
    return positions


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
