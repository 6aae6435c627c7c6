"""Kafka messages of the event store, as far as comparisons read them."""

from dataclasses import dataclass
from typing import Any

from eventstore.keys import event_key


@dataclass
class _Message:
    at: int
    of: bytes
    content: bytes | None

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return self.of

    def value(self) -> bytes | None:
        return self.content


def message(offset: int, isbn: str, version: int, value: bytes | None) -> Any:
    """The message at ``offset``, with ``version`` of a title."""
    return _Message(offset, event_key(isbn, version), value)
