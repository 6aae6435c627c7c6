"""What becomes of writers' signatures in a restore: each holds in one partition of a store with as many."""

from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from evidence.transaction import parse_signature, signature_in
from library.store.backup_file import Record


def signed_events(records: Iterable[Record]) -> Counter[int]:
    """The number of events in signed transactions, by the number of partitions that their store had."""
    events: Counter[int] = Counter()
    for record in records:
        signature = parse_signature(signature_in(record.headers))
        if signature is not None:
            events[signature.place.partitions] += signature.events
    return events


def without_signature(record: Record) -> Record:
    """The event as it was before it was signed."""
    if signature_in(record.headers) is None:
        return record
    return replace(record, headers=record.headers[:-1])
