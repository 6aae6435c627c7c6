"""The library's events as they are recorded in the event store."""

from collections.abc import Callable

from eventstore import recorded as engine
from eventstore.decider import Events
from eventstore.recorded import Message
from eventstore.recorded import Recorded as Recorded
from schemas.codec import CODEC, encode
from schemas.events import TYPES, Event


def event_of(isbn: str, value: bytes | None) -> Event:
    """Decode an event of the title.

    Raises Undecodable for a value that is not an event, or is another title's.
    """
    return engine.event_of(isbn, value, EVENTS)


def parse_title_key(key: bytes | None) -> tuple[str, int]:
    """ISBN and version of an event's key. Raises BadKey."""
    return engine.parse_stream_key(key, EVENTS)


def _is_isbn(stream: str) -> bool:
    return len(stream) == 13 and stream.isascii() and stream.isdigit()


EVENTS: Events[Event] = Events(
    "library.inventory", encode, CODEC.event_decoder(*TYPES), lambda event: event.isbn, _is_isbn
)
"""How the engine names, writes and reads the library's events."""
recorded: Callable[[Message], Recorded[Event]] = engine.recorder(EVENTS)
"""Decodes a record of the event store. Raises BadKey and Undecodable."""
