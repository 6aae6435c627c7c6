"""An event as it stands in the event store."""

from typing import Any, Protocol, cast

from msgspec import Struct

from eventstore.headers import COMMAND_ID, read_headers
from eventstore.keys import BadKey, parse_event_key
from eventstore.positions import Position
from schemas.codec import Undecodable, decode
from schemas.events import Event


class Message(Protocol):
    """What this module needs of a confluent-kafka message."""

    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102


class Recorded(Struct, frozen=True):
    """One event with its place: version ``version`` of the title, at ``offset`` of ``partition``."""

    partition: int
    offset: int
    version: int
    event: Event
    headers: dict[str, str]

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(self.partition, self.offset)

    @property
    def type(self) -> str:
        """The event's type, for example ``BookAdded``."""
        return type(self.event).__name__

    @property
    def command_id(self) -> str:
        """The command it came from."""
        return self.headers.get(COMMAND_ID, "")


def recorded(message: Message) -> Recorded:
    """Decode a record of the event store.

    Raises BadKey, and Undecodable for a value that is no event, or not of the key's title.
    """
    isbn, version = parse_event_key(message.key())
    event = event_of(isbn, message.value())
    return Recorded(
        message.partition() or 0, message.offset() or 0, version, event, read_headers(message.headers())
    )


def event_of(isbn: str, value: bytes | None) -> Event:
    """Decode an event of the title. Raises Undecodable for a value that is no event, or another title's."""
    event = decode(value)
    if getattr(event, "timestamp", None) is None:
        raise Undecodable(f"a {type(event).__name__} is no event")
    event = cast(Event, event)
    if event.isbn != isbn:
        raise Undecodable(f"the key names {isbn}, the event {event.isbn}")
    return event


__all__ = ["BadKey", "Message", "Recorded", "Undecodable", "event_of", "recorded"]
