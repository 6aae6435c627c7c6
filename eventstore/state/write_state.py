"""The state of one partition's streams, as far as decisions need it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Message
from msgspec import Struct, structs

from eventstore.avro import Undecodable
from eventstore.decider import Decider
from eventstore.headers import ACTOR, COMMAND_ID, DIGEST
from eventstore.keys import BadKey
from eventstore.positions import Position
from eventstore.recorded import event_of, parse_stream_key
from eventstore.state.outcomes import Appended, Receipt
from evidence.leaf import message_hash

ADVICE = "upgrade, or run `library doctor`"


class StreamState(Struct, frozen=True, gc=False):
    """A stream's state at ``version``. ``trouble`` says why the stream cannot be written, if it cannot."""

    state: Any
    version: int = 0
    trouble: str = ""


class AcceptedCommand(Struct, frozen=True, gc=False):
    """An accepted command as the log records it. ``offset`` and ``leaf`` are those of its last event."""

    stream: str
    digest: str
    events: tuple[Appended, ...]
    offset: int
    actor: str = ""
    leaf: bytes = b""

    def receipt(self, command_id: str, partition: int) -> Receipt:
        """The first answer again."""
        position = str(Position(partition, self.offset))
        return Receipt(command_id, self.stream, self.events, position, self.actor, self.leaf.hex())


class LastEvent(Struct, frozen=True):
    """The last event that was read. It identifies the log when the log is read again.

    It includes the time (ms) because a log that lost its end may receive the same command again.
    """

    offset: int
    key: bytes
    ce_id: str
    timestamp: int


def last_event(message: Message) -> LastEvent:
    """The event's identity."""
    ce_id = _headers(message).get("ce_id", b"")
    return LastEvent(
        message.offset() or 0, message.key() or b"", ce_id.decode(errors="replace"), message.timestamp()[1]
    )


def _headers(message: Message) -> dict[str, bytes]:
    # Not read_headers: this runs for every event, and three of a dozen headers are needed
    headers: Any = message.headers()
    return dict(headers) if headers else {}


class Checkpoint(NamedTuple):
    """How much of the partition a state includes: everything before offset ``next``, up to event ``last``.

    ``time`` is the latest timestamp so far (ms); later events are not earlier. ``trouble`` says why nothing
    in the partition can be written, if that is the case.
    """

    next: int = 0
    last: LastEvent | None = None
    time: int = 0
    trouble: str = ""


class Overlay(NamedTuple):
    """Stream states, and accepted commands by id, that are newer than some base."""

    streams: dict[str, StreamState]
    accepted: dict[str, tuple[AcceptedCommand, ...]]


class BaseState(Protocol):
    """An earlier state, read on demand. Only newer entries are held in memory."""

    def read(self, streams: Collection[str], command_ids: Collection[str], upto: int) -> Overlay:
        """Its entries of these streams and command ids.

        Raises StateLost if the base has advanced past ``upto``.
        """


class WriteState:
    """Stream states and accepted commands before offset ``next``: in memory, over an optional ``base``.

    A command id belongs to its stream: the same id on another stream is another command.
    """

    def __init__(
        self,
        decider: Decider[Any, Any, Any],
        base: BaseState | None = None,
        checkpoint: Checkpoint = Checkpoint(),  # noqa: B008  # immutable
    ) -> None:
        self._events, self._evolve = decider.events, decider.evolve
        self._initial = StreamState(decider.initial)
        self.base = base
        self.next, self.last, self.time, self.trouble = checkpoint
        self.streams: dict[str, StreamState] = {}
        self.added: dict[str, tuple[AcceptedCommand, ...]] = {}
        self._frozen, self._read = Overlay({}, {}), Overlay({}, {})

    @property
    def checkpoint(self) -> Checkpoint:
        """How much of the partition the state includes."""
        return Checkpoint(self.next, self.last, self.time, self.trouble)

    @property
    def start(self) -> int | None:
        """Where reading goes on: at the last event; None: at the first one."""
        return self.last.offset if self.last else None

    @property
    def unsaved(self) -> int:
        """The number of entries that are held in memory only."""
        return max(len(self.streams), len(self.added))

    def prepare(self, streams: Iterable[str], command_ids: Iterable[str]) -> None:
        """Read the base's entries of them, in one go, for the next calls of ``stream`` and ``accepted``.

        One by one, each read would cost several times as much. Raises StateLost if the base has changed.
        """
        if self.base is None:
            return
        held, frozen = self.streams, self._frozen
        unread = {one for one in streams if one not in held and one not in frozen.streams}
        new = {one for one in command_ids if one not in self.added and one not in frozen.accepted}
        found = self.base.read(unread, new, self.next)
        self._read = Overlay(
            dict.fromkeys(unread, self._initial) | found.streams, dict.fromkeys(new, ()) | found.accepted
        )

    def stream(self, stream: str) -> StreamState:
        """The stream's current state. Raises StateLost if the base has changed."""
        for known in (self.streams, self._frozen.streams, self._read.streams):
            if (found := known.get(stream)) is not None:
                return found
        if self.base is None:
            return self._initial
        return self.base.read((stream,), (), self.next).streams.get(stream, self._initial)

    def accepted(self, command_id: str) -> tuple[AcceptedCommand, ...]:
        """Accepted commands with this id, one for each stream that had it. Raises as ``stream``."""
        for known in (self.added, self._frozen.accepted, self._read.accepted):
            if (found := known.get(command_id)) is not None:
                return found
        if self.base is None:
            return ()
        return self.base.read((), (command_id,), self.next).accepted.get(command_id, ())

    def freeze(self) -> Overlay:
        """Everything that is held in memory. It stays unchanged until ``saved`` or ``thaw``."""
        self._frozen = Overlay(self.streams, self.added)
        self.streams, self.added = {}, {}
        return self._frozen

    def saved(self, base: BaseState) -> None:
        """Release the frozen entries: ``base`` has them."""
        # Entries that were read from the base before are older than the frozen ones
        self.base, self._frozen, self._read = base, Overlay({}, {}), Overlay({}, {})

    def thaw(self) -> None:
        """Keep the frozen entries in memory."""
        self.streams = self._frozen.streams | self.streams
        self.added = self._frozen.accepted | self.added
        self._frozen = Overlay({}, {})

    def take(self, messages: Sequence[Message]) -> None:
        """Add the next records of the log. Raises StateLost if the base has changed."""
        if self.base is not None:
            self._prepare_for(messages)
        for message in messages:
            self._take(message)
        if messages:
            self.last = last_event(messages[-1])

    def keep(
        self,
        streams: Mapping[str, StreamState],
        accepted: Mapping[str, tuple[AcceptedCommand, ...]],
        last: LastEvent,
    ) -> None:
        """Add the result of a batch that this writer has committed."""
        self.streams.update(streams)
        self.added.update(accepted)
        # The transaction's marker takes an offset, too
        self.next, self.last, self.time = last.offset + 2, last, max(self.time, last.timestamp)

    def _prepare_for(self, messages: Sequence[Message]) -> None:
        streams, command_ids = set[str](), set[str]()
        for message in messages:
            # ``_take`` reports the error
            with suppress(BadKey):
                streams.add(parse_stream_key(message.key(), self._events)[0])
                command_ids.add(_headers(message).get(COMMAND_ID, b"").decode(errors="replace"))
        self.prepare(streams, command_ids)

    def _take(self, message: Message) -> None:
        offset = message.offset() or 0
        self.next, self.time = offset + 1, max(self.time, message.timestamp()[1])
        try:
            stream, version = parse_stream_key(message.key(), self._events)
        except BadKey as error:
            self.trouble = (
                f"offset {offset} of partition {message.partition()} names no stream ({error}), so nothing "
                f"in the partition can be decided: {ADVICE}"
            )
            return
        before = self.stream(stream)
        if before.trouble or version <= before.version:
            return
        if version > before.version + 1:
            gap = f"version {version} follows {before.version}: events are missing"
            self._block(stream, before, offset, gap)
            return
        try:
            event = event_of(stream, message.value(), self._events)
        except Undecodable as error:
            self._block(stream, before, offset, str(error))
            return
        self.streams[stream] = StreamState(self._evolve(before.state, event), version)
        headers = _headers(message)
        if command_id := headers.get(COMMAND_ID, b"").decode(errors="replace"):
            digest = headers.get(DIGEST, b"").decode(errors="replace")
            actor = headers.get(ACTOR, b"").decode(errors="replace")
            appended = Appended(type(event).__name__, version)
            leaf = message_hash(message)
            self._add_accepted(command_id, AcceptedCommand(stream, digest, (appended,), offset, actor, leaf))

    def _add_accepted(self, command_id: str, newest: AcceptedCommand) -> None:
        """Add an event to its command. The events of one command follow each other in the log."""
        before: tuple[Appended, ...] = ()
        others = []
        for command in self.accepted(command_id):
            if command.stream == newest.stream:
                before = command.events
            else:
                others.append(command)
        if before:
            newest = structs.replace(newest, events=(*before, *newest.events))
        self.added[command_id] = (*others, newest)

    def _block(self, stream: str, before: StreamState, offset: int, what: str) -> None:
        # An unknown schema id says it itself
        advice = "" if ADVICE in what else f"; {ADVICE}"
        reason = f"{stream} can't be written: offset {offset}, {what}{advice}"
        self.streams[stream] = StreamState(before.state, before.version, reason)
