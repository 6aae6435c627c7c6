"""What the events of one partition add up to, as far as decisions need it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Message
from msgspec import Struct

from eventstore.headers import COMMAND_ID, DIGEST
from eventstore.keys import BadKey, parse_event_key
from eventstore.positions import Position
from eventstore.state.outcomes import Appended, Receipt
from inventory.rules import UNKNOWN, Title, evolve
from schemas.codec import Undecodable
from schemas.records import event_of


class Known(Struct, frozen=True, gc=False):
    """A title; ``trouble`` says why it can't be written, where it can't."""

    title: Title
    trouble: str = ""


class AcceptedCommand(Struct, frozen=True, gc=False):
    """What the log says of an accepted command; ``offset`` is its last event's."""

    isbn: str
    digest: str
    events: tuple[Appended, ...]
    offset: int

    def receipt(self, command_id: str, partition: int) -> Receipt:
        """The answer, as it was given first."""
        return Receipt(command_id, self.isbn, self.events, str(Position(partition, self.offset)))


class LastEvent(Struct, frozen=True):
    """The last event that was read, by which the log is recognised when it is read again.

    The time (ms) is there because a log that lost its end may have got the same command again.
    """

    offset: int
    key: bytes
    ce_id: str
    timestamp: int


def last_event(message: Message) -> LastEvent:
    """How ``message`` would be recognised."""
    ce_id = _headers(message).get("ce_id", b"")
    return LastEvent(
        message.offset() or 0, message.key() or b"", ce_id.decode(errors="replace"), message.timestamp()[1]
    )


def _headers(message: Message) -> dict[str, bytes]:
    # Not read_headers: of a dozen headers three are wanted, in the one place where all events are read
    headers: Any = message.headers()
    return dict(headers) if headers else {}


class Place(NamedTuple):
    """How far a state has come: before offset ``next``, with event ``last``, at ``time``.

    ``time`` is the latest timestamp so far (ms), and none that follows is earlier. ``trouble`` says why
    nothing in the partition can be written, where that is so.
    """

    next: int = 0
    last: LastEvent | None = None
    time: int = 0
    trouble: str = ""


class Overlay(NamedTuple):
    """Titles by ISBN and answers by command id, as they are after some base."""

    titles: dict[str, Known]
    answers: dict[str, tuple[AcceptedCommand, ...]]


class Base(Protocol):
    """What was known at some earlier offset, read on demand; only what came later is held in memory."""

    def known(self, isbn: str, upto: int) -> Known | None:
        """A title, if there is one. Raises Lost when the base has gone beyond offset ``upto``."""

    def answers(self, command_id: str, upto: int) -> tuple[AcceptedCommand, ...]:
        """Accepted commands with this id: one for each title that had it. Raises as ``known``."""


class WriteState:
    """Titles and answers up to offset ``next``, not included: in memory over an optional ``base``.

    A command id belongs to its title: with another title it is another command.
    """

    def __init__(self, base: Base | None = None, place: Place = Place()) -> None:  # noqa: B008  # frozen
        self.base, self.next, self.last, self.time, self.trouble = base, *place
        self.titles: dict[str, Known] = {}
        self.added: dict[str, tuple[AcceptedCommand, ...]] = {}
        self._frozen = Overlay({}, {})

    @property
    def place(self) -> Place:
        """How far it has come."""
        return Place(self.next, self.last, self.time, self.trouble)

    @property
    def unsaved(self) -> int:
        """How much is held in memory only."""
        return max(len(self.titles), len(self.added))

    def known(self, isbn: str) -> Known:
        """The title as it is now. Raises Lost, when the base is not what it was."""
        known = self.titles.get(isbn) or self._frozen.titles.get(isbn)
        if known is None and self.base is not None:
            known = self.base.known(isbn, self.next)
        return known or Known(UNKNOWN)

    def answers(self, command_id: str) -> tuple[AcceptedCommand, ...]:
        """Accepted commands with this id: one for each title that had it. Raises as ``known``."""
        answers = self.added.get(command_id) or self._frozen.answers.get(command_id)
        if answers is None:
            answers = self.base.answers(command_id, self.next) if self.base is not None else ()
        return answers

    def freeze(self) -> Overlay:
        """What is held in memory, which stays as it is from now on until ``saved`` or ``thaw``."""
        self._frozen = Overlay(self.titles, self.added)
        self.titles, self.added = {}, {}
        return self._frozen

    def saved(self, base: Base) -> None:
        """Let go of what was frozen: ``base`` has it."""
        self.base, self._frozen = base, Overlay({}, {})

    def thaw(self) -> None:
        """Keep what was frozen."""
        self.titles = self._frozen.titles | self.titles
        self.added = self._frozen.answers | self.added
        self._frozen = Overlay({}, {})

    def take(self, messages: Sequence[Message]) -> None:
        """Add the next records of the log."""
        for message in messages:
            self._take(message)
        if messages:
            self.last = last_event(messages[-1])

    def keep(
        self, titles: Mapping[str, Title], answers: Mapping[str, tuple[AcceptedCommand, ...]], last: LastEvent
    ) -> None:
        """Add what this writer has committed itself."""
        self.titles.update((isbn, Known(title)) for isbn, title in titles.items())
        self.added.update(answers)
        # The transaction's end takes an offset, too
        self.next, self.last, self.time = last.offset + 2, last, max(self.time, last.timestamp)

    def _take(self, message: Message) -> None:
        offset = message.offset() or 0
        self.next, self.time = offset + 1, max(self.time, message.timestamp()[1])
        try:
            isbn, version = parse_event_key(message.key())
        except BadKey as error:
            self.trouble = (
                f"offset {offset} of partition {message.partition()} names no title ({error}), so no title "
                "of the partition can be decided on: upgrade, or run `library doctor`"
            )
            return
        known = self.known(isbn)
        title = known.title
        if known.trouble or version <= title.version:
            return
        if version > title.version + 1:
            self._block(isbn, title, offset, f"version {version} follows {title.version}: events are missing")
            return
        try:
            event = event_of(isbn, message.value())
        except Undecodable as error:
            self._block(isbn, title, offset, str(error))
            return
        self.titles[isbn] = Known(evolve(title, event))
        headers = _headers(message)
        if command_id := headers.get(COMMAND_ID, b"").decode(errors="replace"):
            digest = headers.get(DIGEST, b"").decode(errors="replace")
            self._answered(command_id, isbn, digest, Appended(type(event).__name__, version), offset)

    def _answered(self, command_id: str, isbn: str, digest: str, event: Appended, offset: int) -> None:
        """Add an event to its command's answer; one command's events come one after the other."""
        before: tuple[Appended, ...] = ()
        others = []
        for answer in self.answers(command_id):
            if answer.isbn == isbn:
                before = answer.events
            else:
                others.append(answer)
        self.added[command_id] = (*others, AcceptedCommand(isbn, digest, (*before, event), offset))

    def _block(self, isbn: str, title: Title, offset: int, what: str) -> None:
        reason = f"{isbn} can't be written: offset {offset}, {what}; upgrade, or run `library doctor`"
        self.titles[isbn] = Known(title, reason)
