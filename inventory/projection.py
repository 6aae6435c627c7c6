"""From one record of the event store to the row after it, without any fast path."""

from collections.abc import Iterable

from eventstore.keys import BadKey
from inventory.row_fold import Gap, Unfoldable, fold, hold, stays
from schemas.codec import Undecodable
from schemas.records import event_of, parse_title_key
from schemas.row import Held, InventoryRow


def project(
    row: InventoryRow | None, isbn: str, version: int, offset: int, value: bytes | None
) -> InventoryRow:
    """The row after the event ``value`` at ``offset``, which makes ``version`` of the title.

    An event that can't be decoded or applied holds the title: the row stays as it is, says why, and lets
    later events pass until this one can be applied. Raises Gap as ``fold`` does.
    """
    # Checked before decoding: an event that the row already includes can't hold it
    if stays(row, isbn, version):
        return row
    try:
        return fold(row, version, event_of(isbn, value))
    except (Undecodable, Unfoldable) as error:
        return hold(None if version == 1 else row, isbn, Held(version, offset, str(error)))


def project_log(
    row: InventoryRow | None, isbn: str, version: int, offset: int, value: bytes | None
) -> InventoryRow:
    """As ``project``, for a reader that begins with the partition's first event.

    It recognises a version 1 that another program has written again: the first one counts, as for writers. A
    version after a missing one holds the title.
    """
    if version == 1 and row is not None:
        return row
    try:
        return project(row, isbn, version, offset, value)
    except Gap as gap:
        return hold(row, isbn, Held(version, offset, str(gap)))


def title_row(isbn: str, records: Iterable[tuple[int, bytes | None, bytes | None]]) -> InventoryRow | None:
    """The title's row, from the offset, key and value of all records of its partition."""
    row = None
    for offset, key, value in records:
        try:
            stream, version = parse_title_key(key)
        except BadKey:
            continue
        if stream == isbn:
            row = project_log(row, isbn, version, offset, value)
    return row
