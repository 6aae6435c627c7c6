"""An event as it is recorded in the event store."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from eventstore.avro import Undecodable
from eventstore.decider import Events
from eventstore.headers import COMMAND_ID, read_headers
from eventstore.keys import BadKey, parse_event_key
from eventstore.positions import Position

E = TypeVar("E", bound=Struct)


class Message(Protocol):
    """The members of a confluent-kafka message that this module uses."""

    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102


class Recorded(Struct, Generic[E], frozen=True, gc=False):
    """One event with its place: version ``version`` of its stream, at ``offset`` of ``partition``."""

    partition: int
    offset: int
    version: int
    event: E
    _headers: Message | dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """The record's headers. They are decoded at each call: most readers need none."""
        return self._headers if isinstance(self._headers, dict) else read_headers(self._headers.headers())

    @property
    def position(self) -> Position:
        """Partition and offset."""
        return Position(self.partition, self.offset)

    @property
    def type(self) -> str:
        """The event's type, for example ``BookAdded``."""
        return type(self.event).__name__

    @property
    def command_id(self) -> str:
        """The id of the command that led to it."""
        return self.headers.get(COMMAND_ID, "")


def recorder(events: Events[E]) -> Callable[[Message], Recorded[E]]:
    """The decoder of the event store's records.

    It raises BadKey for a key that names no stream of the domain, and Undecodable for a value that is not an
    event, or belongs to another stream than the key's.
    """
    # As ``parse_stream_key`` and ``event_of``, without their calls: a reader of everything notices them
    is_stream, decode, stream_of = events.is_stream, events.decode, events.stream_of

    def recorded(message: Message) -> Recorded[E]:
        stream, version = parse_event_key(key := message.key())
        if not is_stream(stream):
            raise _no_stream(key, events)
        event = decode(message.value())
        if (found := stream_of(event)) != stream:
            raise _of_another_stream(stream, found)
        return Recorded(message.partition() or 0, message.offset() or 0, version, event, message)

    return recorded


def parse_stream_key(key: bytes | None, events: Events[Any]) -> tuple[str, int]:
    """Stream and version of an event's key. Raises BadKey, also for a stream that is not the domain's."""
    stream, version = parse_event_key(key)
    if not events.is_stream(stream):
        raise _no_stream(key, events)
    return stream, version


def event_of(stream: str, value: bytes | None, events: Events[E]) -> E:
    """Decode an event of ``stream``. Raises Undecodable, also for an event of another stream."""
    event = events.decode(value)
    if (found := events.stream_of(event)) != stream:
        raise _of_another_stream(stream, found)
    return event


def _no_stream(key: bytes | None, events: Events[Any]) -> BadKey:
    return BadKey(f"key {key!r} names no stream of {events.name}")


def _of_another_stream(stream: str, found: str) -> Undecodable:
    return Undecodable(f"the key names {stream}, the event {found}")
