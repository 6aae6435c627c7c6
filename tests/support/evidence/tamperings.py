"""Ways to tamper with the records of a store, and the findings that name each."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from library.checks.tampering import Kind
from library.store.backup_file import Record

Records = list[Record]


class Tampering(NamedTuple):
    """``change`` makes other records of the good ones. ``event`` is the key that the finding names."""

    change: Callable[[Records], Records]
    kind: Kind
    event: Callable[[Records], str]


def key(record: Record) -> str:
    return record.key.decode()


def of_title(records: Records, title: bytes) -> list[int]:
    return [i for i, record in enumerate(records) if record.key.startswith(title + b"/")]


def middle(records: Records) -> int:
    """The index of the record that is tampered with: neither its title's first nor last one."""
    return len(records) // 2


def victim(records: Records) -> Record:
    return records[middle(records)]


def title(records: Records) -> bytes:
    return victim(records).key.partition(b"/")[0]


def changed(**changes: Callable[[Record], object]) -> Callable[[Records], Records]:
    def change(records: Records) -> Records:
        there = middle(records)
        forged = replace(records[there], **{name: new(records[there]) for name, new in changes.items()})
        return [*records[:there], forged, *records[there + 1 :]]

    return change


def without(chosen: Callable[[Records], list[int]]) -> Callable[[Records], Records]:
    return lambda records: [r for i, r in enumerate(records) if i not in chosen(records)]


def inserted(forge: Callable[[Record], Record]) -> Callable[[Records], Records]:
    def insert(records: Records) -> Records:
        there = middle(records)
        return [*records[: there + 1], forge(records[there]), *records[there + 1 :]]

    return insert


def last_of_partition(records: Records) -> list[int]:
    partition = victim(records).partition
    return [i for i, record in enumerate(records) if record.partition == partition][-2:]


def swapped(records: Records) -> Records:
    """Exchange the victim with the next version of its title."""
    there = middle(records)
    then = next(i for i in of_title(records, title(records)) if i > there)
    others = list(records)
    others[there], others[then] = others[then], others[there]
    return others


def exchanged(records: Records) -> Records:
    """Exchange the victim's partition with the next one."""
    here = victim(records).partition
    other = next(r.partition for r in records if r.partition != here)
    return [replace(r, partition={here: other, other: here}.get(r.partition, r.partition)) for r in records]


def next_in_partition(records: Records, after: int) -> str:
    """The key of the record after this one in its partition."""
    partition = records[after].partition
    return next((key(r) for r in records[after + 1 :] if r.partition == partition), "")


TAMPERINGS = {
    "a changed value": Tampering(
        changed(value=lambda r: r.value[:-1] + bytes([r.value[-1] ^ 1])),
        Kind.CHANGED,
        lambda r: key(victim(r)),
    ),
    "a changed time": Tampering(
        changed(timestamp=lambda r: r.timestamp - 1), Kind.CHANGED, lambda r: key(victim(r))
    ),
    "a changed header": Tampering(
        changed(headers=lambda r: [(n, b"x" if n == "command_id" else v) for n, v in r.headers]),
        Kind.CHANGED,
        lambda r: key(victim(r)),
    ),
    "a deleted event": Tampering(without(lambda r: [middle(r)]), Kind.DELETED, lambda r: key(victim(r))),
    "a deleted title": Tampering(
        without(lambda r: of_title(r, title(r))),
        Kind.DELETED,
        lambda r: next_in_partition(r, of_title(r, title(r))[0]),
    ),
    "the deleted end of a title": Tampering(
        without(lambda r: of_title(r, title(r))[-2:]),
        Kind.DELETED,
        lambda r: next_in_partition(r, of_title(r, title(r))[-2]),
    ),
    "a truncated partition": Tampering(
        without(last_of_partition),
        Kind.TRUNCATED,
        lambda r: key([x for x in r if x.partition == victim(r).partition][-3]),
    ),
    "an inserted event": Tampering(
        inserted(lambda r: replace(r, key=r.key.partition(b"/")[0] + b"/99")),
        Kind.INSERTED,
        lambda r: title(r).decode() + "/99",
    ),
    "a repeated event": Tampering(inserted(lambda r: r), Kind.INSERTED, lambda r: key(victim(r))),
    "two exchanged events": Tampering(
        swapped, Kind.REORDERED, lambda r: title(r).decode() + f"/{int(key(victim(r))[-1]) + 1}"
    ),
    "two exchanged partitions": Tampering(
        exchanged, Kind.CHANGED, lambda r: next(key(x) for x in r if x.partition != victim(r).partition)
    ),
}
