"""From one record of the event store to the row after it: the plain way, for whoever keeps rows."""

from inventory.fold import Gap, Unfoldable, fold, hold
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
    if version == 1:
        row = None
    elif row is None:
        raise Gap(isbn, 0, version)
    elif version <= row.version or (row.held is not None and row.held.version != version):
        # Before it is decoded: an event that is in the row already can't hold it
        return row
    elif version != row.version + 1:
        raise Gap(isbn, row.version, version)
    try:
        return fold(row, version, event_of(isbn, value))
    except (Undecodable, Unfoldable) as error:
        return hold(row, isbn, Held(version, offset, str(error)))
