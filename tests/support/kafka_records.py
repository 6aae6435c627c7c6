"""Records of Kafka without Kafka, with what the comparisons read of them."""

from typing import Any

from msgspec import Struct

from eventstore.keys import event_key

RECORDED_AT = 1_700_000_000_000
"""The time of each record, ms since 1970."""


class Record(Struct):
    """A record of a partition."""

    at: int
    record_key: bytes
    record_value: bytes | None

    def offset(self) -> int:
        """Its place in the partition."""
        return self.at

    def key(self) -> bytes:
        """Its key."""
        return self.record_key

    def value(self) -> bytes | None:
        """Its value."""
        return self.record_value

    def timestamp(self) -> tuple[int, int]:
        """The kind of its time, and the time."""
        return 1, RECORDED_AT


def message(offset: int, isbn: str, version: int, value: bytes | None) -> Any:
    """The record at ``offset``, with ``version`` of a title."""
    return Record(offset, event_key(isbn, version), value)
