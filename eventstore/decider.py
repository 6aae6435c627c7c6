"""The domain as values that are handed to the engine: its decisions, and the encoding of its events.

The name and the shape are Jérémie Chassaing's: https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

State = TypeVar("State", bound=Struct)
Command = TypeVar("Command", bound=Struct)
Event = TypeVar("Event", bound=Struct)


class Rejection(Struct, frozen=True):
    """Why a command is refused: a code that never changes and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True)
class Events(Generic[Event]):
    """How the events of a domain are named, written and read."""

    name: str
    """For example ``library.inventory``: CloudEvents' ``ce_type`` is ``<name>.<type>``."""
    encode: Callable[[Event], bytes]
    decode: Callable[[bytes | None], Event]
    """Raises ``eventstore.avro.Undecodable``."""
    stream_of: Callable[[Event], str]
    """The stream that an event belongs to."""
    is_stream: Callable[[str], bool]
    """Whether a text can name a stream. A record with another key stops its partition."""


@dataclass(frozen=True)
class Decider(Generic[State, Command, Event]):
    """Everything the engine needs to know about a domain. All functions are pure.

    ``decide(state, command, at)`` gives the events to append, or a Rejection; no events: the state is as the
    command wants it already. ``at`` is the events' time (ms since 1970, UTC). ``evolve(state, event)`` never
    refuses. The engine counts versions; a state needs none.
    """

    events: Events[Event]
    initial: State
    decide: Callable[[State, Command, int], Sequence[Event] | Rejection]
    evolve: Callable[[State, Event], State]
    stream: Callable[[Command], str]
    """The stream that a command is about."""
    golden: Sequence[Event]
    """At least one event of each type, which ``fingerprint`` evolves."""

    def fingerprint(self) -> str:
        """Names the rules that made a saved state; a snapshot with other rules is ignored.

        It changes with the fields of the state and with the results of ``evolve`` for the golden events.
        """
        kind = type(self.initial)
        digest = hashlib.sha256(repr((kind.__name__, kind.__struct_fields__, kind.__annotations__)).encode())
        state = self.initial
        for event in self.golden:
            state = self.evolve(state, event)
            digest.update(_encode(state))
        return digest.hexdigest()[:16]


_encode: Callable[[Any], bytes] = msgspec.msgpack.Encoder(order="deterministic").encode
