"""Compares events with signed checkpoints, and names what was done to them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from evidence.checkpoint import Checkpoint, Origin, open_checkpoint, parse_origin
from evidence.leaf import HASH_BYTES, record_hash
from evidence.merkle import Frontier
from evidence.note import BadSignature, Unsigned, Verifier
from evidence.successor import Successor
from library.checks.tampering import (
    Compared,
    Event,
    Finding,
    Kind,
    Leaf,
    diagnose_by_hashes,
    diagnose_by_versions,
)
from library.checks.writer_signatures import SignatureChecks

BATCH_LEAVES = 4096
"""Added to a tree at a time: a batch is much faster than single leaves."""


Events: TypeAlias = Callable[[], Iterable[Event]]
"""Reads all events; those of each partition are in log order. Each call reads them again."""
Hashes: TypeAlias = Callable[[int], bytes | None]
"""The hashes that the notary has kept of a partition, HASH_BYTES each; None: there are none."""


class Store(Struct, frozen=True):
    """The store that the events are from, as origins name it."""

    cluster: str
    topic: str
    partitions: int


class Verified(Struct, frozen=True):
    """The result: the differences, and what was compared."""

    findings: list[Finding]
    partitions: list[Compared]
    checkpoints: int
    """That match."""
    signed: int | None = None
    """Events in transactions that a writer has signed; None: nobody looked."""
    early: dict[int, int] = {}
    """Events before the first signature, by partition."""


def verify(
    store: Store,
    events: Events,
    notes: Iterable[str],
    keys: Sequence[Verifier],
    hashes: Hashes,
    successors: Sequence[Successor] = (),
    writers: Sequence[Verifier] = (),
) -> Verified:
    """Compare the events of a store with checkpoints.

    A successor is a checkpoint of each partition of both its stores. Checkpoints of the one that ``events``
    are not from are compared with it. With the keys of ``writers``, their signatures are checked. Raises what
    ``events`` raises, and BadNote or BadCheckpoint for a note that is none.
    """
    findings, signed = _opened(store, notes, keys, successors)
    comparisons = _Comparisons(store.partitions, signed)
    signatures = SignatureChecks(store.partitions, writers) if writers else None
    for event in events():
        leaf = record_hash(event.timestamp, event.key, event.value, event.headers)
        comparisons[event.partition].add(leaf)
        if signatures is not None:
            signatures.add(event, leaf)
    compared = [comparison.result() for comparison in comparisons.values()]
    wrong = {one.partition: one for one in compared if not one.sound}
    if wrong:
        leaves: dict[int, list[Leaf]] = {partition: [] for partition in wrong}
        for event in events():
            if event.partition in wrong:
                leaf = record_hash(event.timestamp, event.key, event.value, event.headers)
                leaves[event.partition].append(Leaf(leaf, event.key))
        findings += (
            _diagnosed(store, one, leaves[p], _signed_hashes(hashes(p), signed[p]))
            for p, one in wrong.items()
        )
    matches = sum(comparison.matches for comparison in comparisons.values())
    if signatures is None:
        return Verified(findings, compared, matches)
    findings += signatures.findings()
    return Verified(findings, compared, matches, signatures.signed, signatures.early)


def _opened(
    store: Store, notes: Iterable[str], keys: Sequence[Verifier], successors: Sequence[Successor]
) -> tuple[list[Finding], dict[int, list[Checkpoint]]]:
    """The checkpoints of the store by partition, the smallest first, and findings about all others."""
    findings: list[Finding] = []
    signed: dict[int, list[Checkpoint]] = {}
    for note in notes:
        try:
            checkpoint = open_checkpoint(note, keys)
            origin = parse_origin(checkpoint.origin)
        except (BadSignature, Unsigned) as error:
            first = note.partition("\n")[0]
            findings.append(Finding(Kind.UNSIGNED, None, "", f"the checkpoint of {first[:200]}: {error}"))
            continue
        if _is_of(store, origin):
            signed.setdefault(origin.partition, []).append(checkpoint)
        elif (difference := _other_store(checkpoint, origin, successors)) is not None:
            findings.append(difference)
    for log in (log for successor in successors for log in (*successor.old, *successor.new)):
        if _is_of(store, parse_origin(log.origin)):
            signed.setdefault(parse_origin(log.origin).partition, []).append(log)
    for checkpoints in signed.values():
        checkpoints.sort(key=lambda checkpoint: checkpoint.size)
    return findings, signed


def _other_store(checkpoint: Checkpoint, origin: Origin, successors: Sequence[Successor]) -> Finding | None:
    """The difference between a checkpoint of another store and the successor that connects the stores."""
    log = next((log for one in successors if (log := one.log_of(origin)) is not None), None)
    if log is None:
        return Finding(Kind.FOREIGN, None, "", f"a checkpoint of another store: {origin}")
    is_old = any(log in one.old for one in successors)
    if is_old and checkpoint.size > log.size:
        missing = f"{checkpoint.size - log.size:,} signed events of {origin} were not restored"
        return Finding(Kind.TRUNCATED, None, "", missing)
    if checkpoint.size == log.size and checkpoint.root != log.root:
        return Finding(Kind.CHANGED, None, "", f"other events of {origin} were restored than were signed")
    return None


def _is_of(store: Store, origin: Origin) -> bool:
    return origin.is_of(store.cluster, store.topic) and origin.partition < store.partitions


def _diagnosed(store: Store, found: Compared, leaves: Sequence[Leaf], signed: Sequence[bytes]) -> Finding:
    if found.differing == found.matching:
        contradiction = f"the key has signed two roots of the first {found.matching:,} events"
        return Finding(Kind.CHANGED, found.partition, "", contradiction)
    # Hashes that are older than what was changed show no difference
    named = diagnose_by_hashes(found.partition, store.partitions, leaves, signed) if signed else None
    return named or diagnose_by_versions(store.partitions, leaves, found)


def _signed_hashes(kept: bytes | None, checkpoints: Sequence[Checkpoint]) -> list[bytes]:
    """As many of the kept hashes as a checkpoint proves."""
    leaves = [(kept or b"")[at : at + HASH_BYTES] for at in range(0, len(kept or b""), HASH_BYTES)]
    tree, proved = Frontier(), 0
    for checkpoint in checkpoints:
        if checkpoint.size > len(leaves):
            break
        tree.add(leaves[tree.size : checkpoint.size])
        if tree.root() == checkpoint.root:
            proved = checkpoint.size
    return leaves[:proved]


class _Comparisons(dict[int, "_Comparison"]):
    """By partition, also by one that the store should not have."""

    def __init__(self, partitions: int, signed: Mapping[int, Sequence[Checkpoint]]) -> None:
        super().__init__((p, _Comparison(p, signed.get(p, ()))) for p in range(partitions))

    def __missing__(self, partition: int) -> "_Comparison":
        made = self[partition] = _Comparison(partition, ())
        return made


class _Comparison:
    """Adds up the tree of one partition, and compares its root at the size of each checkpoint."""

    def __init__(self, partition: int, checkpoints: Sequence[Checkpoint]) -> None:
        self._partition, self._tree = partition, Frontier()
        self._pending: list[bytes] = []
        self._left: Iterator[Checkpoint] = iter(checkpoints)
        self._next = next(self._left, None)
        self._signed = checkpoints[-1].size if checkpoints else 0
        self._matching = 0
        self._differing: int | None = None
        self._room = BATCH_LEAVES
        self.matches = 0
        self._compare()

    def add(self, leaf: bytes) -> None:
        self._pending.append(leaf)
        if len(self._pending) >= self._room:
            self._compare()

    def result(self) -> Compared:
        self._compare()
        return Compared(self._partition, self._tree.size, self._matching, self._differing, self._signed)

    def _compare(self) -> None:
        """Add the pending leaves, and compare with the checkpoints of that size."""
        self._tree.add(self._pending)
        self._pending.clear()
        while self._next is not None and self._next.size == self._tree.size:
            if self._next.root == self._tree.root():
                self.matches += 1
                self._matching = self._tree.size
            elif self._differing is None:
                self._differing = self._tree.size
            self._next = next(self._left, None)
        following = BATCH_LEAVES if self._next is None else self._next.size - self._tree.size
        self._room = min(BATCH_LEAVES, following)
