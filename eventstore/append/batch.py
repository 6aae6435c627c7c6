"""A batch of commands, decided in order on one state: pure but for reading the state."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from eventstore.append.fence import Record
from eventstore.headers import event_headers
from eventstore.keys import event_key
from eventstore.positions import Position
from eventstore.state.outcomes import (
    Accepted,
    Appended,
    Outcome,
    Receipt,
    Refused,
    Reused,
    Submitted,
    Unwritable,
)
from eventstore.state.write_state import AcceptedCommand, LastEvent, WriteState
from inventory.rules import Rejection, Title, decide, evolve
from schemas.codec import encode


class Decided(NamedTuple):
    """What a batch comes to, if its records get the offsets from ``state.next`` on.

    ``proof``: something was answered from the state alone, which must be shown to be still the newest.
    """

    outcomes: list[Outcome]
    records: list[Record]
    titles: dict[str, Title]
    answers: dict[str, tuple[AcceptedCommand, ...]]
    last: LastEvent | None
    proof: bool


def decide_batch(
    state: WriteState,
    partition: int,
    submitted: Sequence[Submitted],
    at: int,
    due_at: int,
    tried: Collection[str] = (),
) -> Decided:
    """Decide each command on what those before it did, at time ``at`` with loans until ``due_at`` (ms).

    Commands with an id in ``tried`` are not repeats: this is their first answer. Raises Lost.
    """
    batch = _Batch(state, partition, at, due_at, tried)
    outcomes = [batch.decide(one) for one in submitted]
    return Decided(outcomes, batch.records, batch.titles, batch.answers, batch.last(), batch.proof)


class _Batch:
    def __init__(
        self, state: WriteState, partition: int, at: int, due_at: int, tried: Collection[str]
    ) -> None:
        self.state, self.partition, self.at, self.due_at, self.tried = state, partition, at, due_at, tried
        self.records: list[Record] = []
        self.titles: dict[str, Title] = {}
        self.answers: dict[str, tuple[AcceptedCommand, ...]] = {}
        self.last_id = ""
        self.proof = False

    def decide(self, one: Submitted) -> Outcome:
        command_id, isbn = one.command_id, one.command.isbn
        given = self.answers.get(command_id) or self.state.answers(command_id)
        earlier = next((answer for answer in given if answer.isbn == isbn), None)
        if earlier is not None:
            if earlier.digest != one.digest:
                return Reused(command_id)
            return Accepted(earlier.receipt(command_id, self.partition), command_id not in self.tried)
        title = self.titles.get(isbn)
        if title is None:
            known = self.state.known(isbn)
            if trouble := self.state.trouble or known.trouble:
                return Unwritable(trouble)
            title = known.title
        decision = decide(title, one.command, self.at, self.due_at)
        if isinstance(decision, Rejection):
            self.proof = True
            return Refused(decision)
        if not decision:
            self.proof = True
            last = self.last()
            position = Position(self.partition, last.offset if last else 0)
            return Accepted(Receipt(command_id, isbn, (), str(position)))
        events = []
        for index, event in enumerate(decision):
            title = evolve(title, event)
            kind = type(event).__name__
            events.append(Appended(kind, title.version))
            self._append(one, index, kind, event_key(isbn, title.version), encode(event))
        self.titles[isbn] = title
        answer = AcceptedCommand(isbn, one.digest, tuple(events), self.state.next + len(self.records) - 1)
        self.answers[command_id] = (*given, answer)
        return Accepted(answer.receipt(command_id, self.partition))

    def last(self) -> LastEvent | None:
        """The partition's last event, if the batch is appended."""
        if not self.records:
            return self.state.last
        offset = self.state.next + len(self.records) - 1
        return LastEvent(offset, self.records[-1].key, self.last_id, self.at)

    def _append(self, one: Submitted, index: int, kind: str, key: bytes, value: bytes) -> None:
        headers = event_headers(one.command_id, one.digest, index, kind, self.at, one.carried)
        self.records.append(Record(key, value, self.at, headers))
        self.last_id = f"{one.command_id}/{index}"
