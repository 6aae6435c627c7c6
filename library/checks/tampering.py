"""What was done to the events of a partition that are not the signed ones."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from msgspec import Struct

from eventstore.keys import BadKey, parse_event_key
from eventstore.partitions import partition_of


class Kind(StrEnum):
    """What differs from the signed checkpoints."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    UNSIGNED = "unsigned"
    """A checkpoint without a valid signature by a trusted key, or an event without its writer's."""
    FORGED = "forged"
    """An event whose signature is no writer's, or was made for other events or another place."""
    FOREIGN = "foreign"
    """A checkpoint of another store."""


class Event(Protocol):
    """The members of a backup's record that the checks use."""

    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> list[tuple[str, bytes | None]]: ...  # noqa: D102


class Finding(Struct, frozen=True):
    """One difference. ``event`` is the key of the first event that it concerns, "" where there is none.

    ``offset`` is where that event is, in findings about writers' signatures.
    """

    kind: Kind
    partition: int | None
    event: str
    summary: str
    offset: int | None = None


class Leaf(NamedTuple):
    """An event's hash in the Merkle tree, and its key."""

    hash: bytes
    key: bytes | None

    @property
    def name(self) -> str:
        """The key as text."""
        return (self.key or b"").decode(errors="replace")


class Compared(NamedTuple):
    """How the events of a partition compare with its checkpoints; numbers of events.

    The first ``matching`` are proved by a checkpoint, ``signed`` are covered by one. ``differing`` is the
    size of the smallest checkpoint with another root; None: none that fits into ``events`` has one.
    """

    partition: int
    events: int
    matching: int
    differing: int | None
    signed: int

    @property
    def sound(self) -> bool:
        """Whether all checkpoints match."""
        return self.differing is None and self.signed <= self.events

    @property
    def uncovered(self) -> int:
        """The number of events after the last checkpoint."""
        return max(0, self.events - self.signed)


def diagnose_by_hashes(
    partition: int, partitions: int, leaves: Sequence[Leaf], signed: Sequence[bytes]
) -> Finding | None:
    """Compare the leaves of a partition with the hashes that were signed. None: no signed event differs.

    Unknown leaves at the end are new events, and no difference.
    """
    now = [leaf.hash for leaf in leaves]
    first = next((i for i, (a, b) in enumerate(zip(signed, now, strict=False)) if a != b), len(now))
    if first == len(now):
        return _truncated(partition, leaves, len(signed)) if len(now) < len(signed) else None
    was, is_now = _differing(signed[first:], now[first:])
    missing, extra = (Counter(was) - Counter(is_now)).total(), (Counter(is_now) - Counter(was)).total()
    here = _name(leaves, first)
    match missing > 0, extra > 0:
        case False, False:
            return Finding(Kind.REORDERED, partition, here, f"another order from {_at(first)} on")
        case False, True:
            return Finding(
                Kind.INSERTED, partition, here, f"{_events(extra)} too many, the first at {_at(first)}"
            )
        case True, False:
            lost = _first_gap(leaves)
            named = f", which is {lost}" if lost else ""
            return Finding(
                Kind.DELETED, partition, lost or here,
                f"{_events(missing)} missing, the first before {here or 'the end'} at {_at(first)}{named}",
            )  # fmt: skip
    counts = f"{_events(missing)} missing, {_events(extra)} in their places, from {_at(first)} on"
    return Finding(Kind.CHANGED, partition, here, counts + _home(leaves[first], partition, partitions))


def diagnose_by_versions(partitions: int, leaves: Sequence[Leaf], found: Compared) -> Finding:
    """What the keys of a partition reveal, where no hashes of the signed events are at hand."""
    partition, following, keys = found.partition, dict[str, int](), {leaf.key for leaf in leaves}
    for index, leaf in enumerate(leaves):
        try:
            stream, version = parse_event_key(leaf.key)
        except BadKey:
            return Finding(Kind.INSERTED, partition, leaf.name, f"the key of no event, at {_at(index)}")
        if home := _home(leaf, partition, partitions):
            return Finding(Kind.INSERTED, partition, leaf.name, f"at {_at(index)}{home}")
        expected = following.get(stream, 1)
        if version < expected:
            return Finding(Kind.INSERTED, partition, leaf.name, f"repeated at {_at(index)}")
        if version > expected and (lost := f"{stream}/{expected}").encode() in keys:
            return Finding(Kind.REORDERED, partition, leaf.name, f"before {lost}, at {_at(index)}")
        if version > expected:
            gap = f"{_events(version - expected)} missing before {leaf.name} at {_at(index)}"
            return Finding(Kind.DELETED, partition, f"{stream}/{expected}", gap)
        following[stream] = version + 1
    if found.events < found.signed:
        if found.differing is None:
            return _truncated(partition, leaves, found.signed)
        here, missing = _name(leaves, found.matching), _events(found.signed - found.events)
        return Finding(Kind.DELETED, partition, here, f"{missing} missing after {_at(found.matching - 1)}")
    last = (found.differing or found.signed) - 1
    return Finding(
        Kind.CHANGED, partition, _name(leaves, found.matching),
        f"among {_at(found.matching)} to {last:,}; the notary's leaves show what was done",
    )  # fmt: skip


def _differing(signed: Sequence[bytes], now: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The same without the new events at the end of ``now``: those after the last signed one that is there.

    If signed events are missing at the end, as many of the unknown ones are in their places.
    """
    known, there = set(signed), set(now)
    tail = next((n for n, leaf in enumerate(reversed(now)) if leaf in known), len(now))
    lost = next((n for n, leaf in enumerate(reversed(signed)) if leaf in there), len(signed))
    return signed, now[: len(now) - tail + min(tail, lost)]


def _first_gap(leaves: Sequence[Leaf]) -> str:
    """The key of the first version that a title lacks, "" if none does."""
    following: dict[str, int] = {}
    for leaf in leaves:
        stream, _, version = leaf.name.rpartition("/")
        expected = following.get(stream, 1)
        if version.isdigit() and int(version) > expected:
            return f"{stream}/{expected}"
        following[stream] = expected + 1
    return ""


def _truncated(partition: int, leaves: Sequence[Leaf], signed: int) -> Finding:
    last = leaves[-1].name if leaves else ""
    return Finding(
        Kind.TRUNCATED, partition, last,
        f"{_events(signed - len(leaves))} missing at the end, after {last or 'the beginning'}",
    )  # fmt: skip


def _name(leaves: Sequence[Leaf], index: int) -> str:
    return leaves[index].name if index < len(leaves) else ""


def _home(leaf: Leaf, partition: int, partitions: int) -> str:
    """The partition to which the event's key belongs, if it is not this one."""
    try:
        home = partition_of(parse_event_key(leaf.key)[0], partitions)
    except BadKey:
        return ""
    return "" if home == partition else f": it belongs to partition {home}"


def _at(index: int) -> str:
    return f"event {index:,} of the partition"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"
