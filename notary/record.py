"""A record of the event store, as the notary takes it."""

from typing import Any, NamedTuple, Protocol

from confluent_kafka import Message

from evidence.leaf import Headers


class Record(Protocol):
    """One record, from whatever client."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, UTC."""

    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Headers: ...  # noqa: D102


class MessageRecord(NamedTuple):
    """The record in a message of confluent-kafka."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @staticmethod
    def of(message: Message) -> "MessageRecord":
        """What ``message`` has."""
        headers: Any = message.headers() or ()
        return MessageRecord(
            message.offset() or 0, message.timestamp()[1], message.key(), message.value(), headers
        )
