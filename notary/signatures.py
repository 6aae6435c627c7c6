"""Examines the writers' signatures of a partition's events, before the notary signs these."""

from collections.abc import Sequence
from typing import NamedTuple

from evidence.leaf import record_hash
from evidence.note import Verifier
from evidence.transaction import (
    MAX_EVENTS,
    UNSIGNED,
    Flaw,
    Flawed,
    Place,
    TransactionCheck,
    parse_signature,
    signature_in,
)
from notary.record import Record
from notary.refusal import Reason, Refused


class _Event(NamedTuple):
    offset: int
    key: str


class Signatures:
    """The signatures of one partition.

    Once there was one, events are held back until their transaction is whole: a checkpoint covers no half.
    """

    def __init__(self, place: Place, verifiers: Sequence[Verifier]) -> None:
        self._place, self._verifiers = place, verifiers
        self._check = TransactionCheck[_Event](place, verifiers)
        self._held: list[Record] = []

    @property
    def begun(self) -> bool:
        """Whether there was a signature."""
        return self._check.begun

    def resume(self, begun: bool, leaves: Sequence[bytes]) -> None:
        """Go on after these leaves: MAX_EVENTS of them, or all that there are."""
        self._check = TransactionCheck(self._place, self._verifiers, begun, leaves)
        self._held.clear()

    def drop(self) -> None:
        """Forget the events that are held back: they are read again."""
        self._held.clear()

    def whole(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those held back and these, without a transaction at the end that is not whole. Raises Refused."""
        if self._held:
            records = [*self._held, *records]
        last = next((i for i in range(len(records) - 1, -1, -1) if self._ends(records[i])), None)
        if last is None and not self.begun:
            return records
        count = 0 if last is None else last + 1
        self._held = list(records[count:])
        if len(self._held) > MAX_EVENTS:
            self.require_signed()
        return records[:count]

    def _ends(self, record: Record) -> bool:
        """Whether the event has a signature that counts; one from before a restore may not."""
        value = signature_in(record.headers)
        if value is None:
            return False
        signature = parse_signature(value)
        return self.begun or signature is None or signature.place.partitions == self._place.partitions

    def add(self, record: Record, leaf: bytes) -> None:
        """Examine the next event, which is in a whole transaction. Raises Refused."""
        event, signature = _event(record), signature_in(record.headers)
        if signature is None:
            flaw = self._check.add(leaf, event)
        else:
            bare = record_hash(record.timestamp, record.key, record.value, record.headers[:-1])
            flaw = next(iter(self._check.close(leaf, bare, signature, event)), None)
        if flaw is not None:
            raise self._refusal(flaw)

    def require_signed(self) -> None:
        """Raises Refused if events are held back: the partition was read to its end."""
        if self._held:
            raise self._refusal(Flawed(Flaw.UNSIGNED, _event(self._held[0]), len(self._held), UNSIGNED))

    def _refusal(self, flaw: Flawed[_Event]) -> Refused:
        return Refused(
            Reason(flaw.flaw.value),
            f"the event at offset {flaw.first.offset} of partition {self._place.partition}, "
            f"{flaw.first.key}, is not a writer's: {flaw.why}",
        )


def _event(record: Record) -> _Event:
    return _Event(record.offset, (record.key or b"").decode(errors="replace"))
