"""Folds events into the audit's own rows, with the library's pure rules."""

from collections.abc import Sequence
from typing import cast

from confluent_kafka import Message

from audit.titles import Expected, Titles
from eventstore.keys import BadKey
from inventory.projection import project_log
from schemas.codec import decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow


def fold_events(titles: Titles, partition: int, messages: Sequence[Message]) -> set[bytes]:
    """Fold the next events of a partition, in their order; return the keys of their titles.

    A record that names no title changes no row.
    """
    events: list[tuple[bytes, str, int, Message]] = []
    for message in messages:
        try:
            isbn, version = parse_title_key(message.key())
        except BadKey:
            continue
        events.append((isbn.encode(), isbn, version, message))
    keys = {key for key, *_ in events}
    rows: dict[bytes, InventoryRow | None] = {
        key: None if row is None else cast(InventoryRow, decode(row))
        for key, row in titles.expected(partition, keys).items()
    }
    last: dict[bytes, int] = {}
    for key, isbn, version, message in events:
        offset = message.offset() or 0
        rows[key] = project_log(rows[key], isbn, version, offset, message.value())
        last[key] = offset
    titles.expect(
        partition,
        {key: Expected(encode(row), last[key]) for key, row in rows.items() if row is not None},
    )
    return keys
