"""From one record of the event store to the row after it, without any fast path."""

from inventory.row_fold import Unfoldable, fold, hold, stays
from schemas.codec import Undecodable
from schemas.records import event_of
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
