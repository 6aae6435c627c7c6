"""Checks the signatures of the writers in all partitions of a store."""

from collections.abc import Sequence
from typing import NamedTuple

from evidence.leaf import record_hash
from evidence.note import Verifier
from evidence.transaction import Flaw, Flawed, Place, TransactionCheck, signature_in
from library.checks.tampering import Event, Finding, Kind


class _Place(NamedTuple):
    """Where an event is, and its key."""

    offset: int
    event: str


class SignatureChecks:
    """Takes the events of a store, those of each partition in order."""

    def __init__(self, partitions: int, verifiers: Sequence[Verifier]) -> None:
        self._partitions, self._verifiers = partitions, verifiers
        self._checks: dict[int, TransactionCheck[_Place]] = {}
        self._flaws: dict[tuple[int, Flaw], Flawed[_Place]] = {}
        """The first of each kind in each partition; ``events`` are those of all."""

    @property
    def signed(self) -> int:
        """The number of events in transactions that a writer has signed."""
        return sum(check.signed for check in self._checks.values())

    @property
    def early(self) -> dict[int, int]:
        """The number of events before the first signature, by partition."""
        return {partition: check.early for partition, check in sorted(self._checks.items()) if check.early}

    def add(self, event: Event, leaf: bytes) -> None:
        """Check the next event."""
        partition, place = event.partition, _Place(event.offset, (event.key or b"").decode(errors="replace"))
        check = self._checks.get(partition)
        if check is None:
            check = self._checks[partition] = TransactionCheck(
                Place(partition, self._partitions), self._verifiers
            )
        signature = signature_in(event.headers)
        if signature is None:
            self._note(partition, check.add(leaf, place))
            return
        bare = record_hash(event.timestamp, event.key, event.value, event.headers[:-1])
        for flaw in check.close(leaf, bare, signature, place):
            self._note(partition, flaw)

    def findings(self) -> list[Finding]:
        """What is wrong, after the last event."""
        for partition, check in self._checks.items():
            self._note(partition, check.end())
        return [
            Finding(
                Kind(flaw.value),
                partition,
                found.first.event,
                f"{'1 event' if found.events == 1 else f'{found.events:,} events'}, the first at offset "
                f"{found.first.offset}: {found.why}",
                found.first.offset,
            )
            for (partition, flaw), found in sorted(self._flaws.items())
        ]

    def _note(self, partition: int, flaw: Flawed[_Place] | None) -> None:
        if flaw is not None:
            first = self._flaws.get((partition, flaw.flaw), flaw._replace(events=0))
            self._flaws[partition, flaw.flaw] = first._replace(events=first.events + flaw.events)
