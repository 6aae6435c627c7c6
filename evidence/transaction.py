"""Signatures of transactions: the last event of each has the header ``tx_sig``, signed by its writer.

The header's value is ``<partition>/<partitions> <events> <signature>``: which partition of how many, the
number of events, and in base64 the key's id with the signature. Signed are these numbers, the leaf of the
event before the transaction, and the leaves of its events; that of the last one is without this header. A
signature therefore holds in one place only, and shows where its transaction begins. Kafka's markers are not
needed for that: a backup has none.
"""

import base64
import binascii
import re
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from evidence.leaf import NO_EVENT, Headers
from evidence.note import ID_BYTES, Signer, Verifier

HEADER = "tx_sig"
MAX_EVENTS = 4096
"""That one signature covers: whoever checks it holds as many. A larger transaction has several."""
UNSIGNED = "no writer has signed it"
_VALUE = re.compile(rb"(\d{1,9})/(\d{1,9}) ([1-9]\d{0,8}) ([A-Za-z0-9+/]+=*)")

T = TypeVar("T")


class Place(NamedTuple):
    """A partition of a store with so many partitions."""

    partition: int
    partitions: int


class TransactionSigner:
    """Signs the transactions of one partition."""

    most_events = MAX_EVENTS

    def __init__(self, place: Place, signer: Signer) -> None:
        self._place, self._signer = place, signer

    def sign(self, previous: bytes, leaves: Sequence[bytes]) -> tuple[str, bytes]:
        """The header for the last of at most MAX_EVENTS events with these leaves, after ``previous``."""
        signature = self._signer.sign(_text(self._place, previous, leaves))
        place, encoded = self._place, base64.b64encode(signature).decode()
        return HEADER, f"{place.partition}/{place.partitions} {len(leaves)} {encoded}".encode()


class Signature(NamedTuple):
    """A header's value."""

    place: Place
    events: int
    key_id: bytes
    signature: bytes

    def made_by(self, verifiers: Sequence[Verifier], previous: bytes, leaves: Sequence[bytes]) -> bool:
        """Whether one of the keys has signed these leaves."""
        text = _text(self.place, previous, leaves)
        return any(key.id == self.key_id and key.matches(text, self.signature) for key in verifiers)


def signature_in(headers: Headers | None) -> bytes | None:
    """The value of the signature among a record's headers, which is the last of them; None without one."""
    if not headers or headers[-1][0] != HEADER:
        return None
    return headers[-1][1] or b""


def parse_signature(value: bytes | None) -> Signature | None:
    """The parts of a header's value; None if it is not one."""
    found = _VALUE.fullmatch(value or b"")
    if found is None:
        return None
    partition, partitions, events = map(int, found.groups()[:3])
    try:
        raw = base64.b64decode(found[4], validate=True)
    except binascii.Error:
        return None
    return Signature(Place(partition, partitions), events, raw[:ID_BYTES], raw[ID_BYTES:])


class Flaw(StrEnum):
    """Why events do not count as a writer's."""

    UNSIGNED = "unsigned"
    FORGED = "forged"


class Flawed(NamedTuple, Generic[T]):
    """``events`` events from ``first`` on were not appended by a writer, or not in this place."""

    flaw: Flaw
    first: T
    events: int
    why: str


class TransactionCheck(Generic[T]):
    """Checks the signatures of a partition's events, in their order.

    Events before the first signature are not signed, and no flaw. Signatures of a store with another number
    of partitions count as none until then: the events were restored. ``previous`` are the leaves that were
    read earlier, MAX_EVENTS of them or all; ``begun``: there was a signature among them, and the last one
    ends its transaction. A ``T`` is the caller's name of an event.
    """

    def __init__(
        self, place: Place, verifiers: Sequence[Verifier], begun: bool = False, previous: Sequence[bytes] = ()
    ) -> None:
        self._place, self._verifiers, self.begun = place, verifiers, begun
        self.signed = 0
        """Events of transactions that one of the keys has signed."""
        self.early = 0
        """Events before the first transaction with a signature."""
        self._before = previous[-1] if begun and previous else NO_EVENT
        """The leaf before the open events."""
        self._open = deque[tuple[bytes, T | None]](() if begun else ((leaf, None) for leaf in previous))
        """Events after the last signature."""

    def add(self, leaf: bytes, event: T) -> Flawed[T] | None:
        """Add an event without a signature."""
        self._open.append((leaf, event))
        self.early += not self.begun
        if len(self._open) <= MAX_EVENTS:
            return None
        self._before, first = self._open.popleft()
        return self._unsigned(first, 1) if self.begun else None

    def close(self, leaf: bytes, bare: bytes, value: bytes | None, event: T) -> list[Flawed[T]]:
        """Add an event with a signature; ``bare`` is its leaf without it."""
        signature = parse_signature(value)
        if signature and signature.place.partitions != self._place.partitions and not self.begun:
            self.add(leaf, event)
            return []
        begun, self.begun = self.begun, True
        events = [*self._open, (bare, event)]
        last, self._before = self._before, leaf
        self._open.clear()
        if signature is None or signature.place != self._place:
            where = "is no signature" if signature is None else "was made for another partition"
            return [*self._extra(events[:-1], begun), Flawed(Flaw.FORGED, event, 1, f"its {HEADER} {where}")]
        extra = len(events) - signature.events
        if not begun:
            self.early -= min(signature.events, len(events)) - 1
        if extra < 0:
            lacking = f"its signature is of {signature.events:,} events, and {-extra:,} are missing"
            return [Flawed(Flaw.FORGED, events[0][1] or event, len(events), lacking)]
        leaves = [leaf for leaf, _ in events]
        # Unsigned events before it may have come earlier or later than the transaction
        befores = {leaves[extra - 1], last} if extra else {last}
        flaws = self._extra(events[:extra], begun)
        if any(signature.made_by(self._verifiers, before, leaves[extra:]) for before in befores):
            self.signed += signature.events
            return flaws
        known = any(key.id == signature.key_id for key in self._verifiers)
        why = "does not match its events and the one before" if known else "is of none of the keys"
        first = events[extra][1] or event
        return [*flaws, Flawed(Flaw.FORGED, first, signature.events, f"its signature {why}")]

    def end(self) -> Flawed[T] | None:
        """The flaw of the events after the last signature, at the end of the partition."""
        return self._unsigned(self._open[0][1], len(self._open)) if self.begun and self._open else None

    def _extra(self, events: Sequence[tuple[bytes, T | None]], begun: bool) -> list[Flawed[T]]:
        return [self._unsigned(events[0][1], len(events))] if begun and events else []

    def _unsigned(self, first: T | None, events: int) -> Flawed[T]:
        # Only events from before the first signature have no name
        assert first is not None
        return Flawed(Flaw.UNSIGNED, first, events, UNSIGNED)


def _text(place: Place, previous: bytes, leaves: Sequence[bytes]) -> str:
    """The text that is signed. No checkpoint has a second line like this."""
    digest = base64.b64encode(sha256(previous + b"".join(leaves)).digest()).decode()
    return f"library transaction\n{place.partition}/{place.partitions} {len(leaves)}\n{digest}\n"
