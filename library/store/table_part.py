"""One partition of a table, read from its changelog."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eventstore.partition_reader import follow_partition
from eventstore.table_position import POSITION_KEY, PositionTrack
from eventstore.topics import Table
from schemas.codec import Undecodable, decode
from schemas.row import InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings


class TablePart(PositionTrack, kw_only=True):
    """The rows, and the table's position in the event store."""

    rows: dict[bytes, bytes]
    """Encoded rows by key: most are only compared."""

    def row(self, isbn: str) -> InventoryRow | None:
        """The title's row in the inventory table. Raises Undecodable."""
        value = self.rows.get(isbn.encode())
        if value is None:
            return None
        row = decode(value)
        if not isinstance(row, InventoryRow):
            raise Undecodable(f"a {type(row).__name__} under the key of a row")
        return row


def table_parts(settings: "Settings", table: Table, partition: int) -> Iterator[TablePart]:
    """The partition of the table, each time its changelog has been read to the end.

    At the end it is consistent: the rows of a batch become visible together. Raises as ``follow_partition``.
    """
    part = TablePart(rows={})
    for message in follow_partition(settings, table.changelog(settings), partition):
        if message is None:
            yield part
            continue
        key, value = message.key() or b"", message.value()
        if key == POSITION_KEY:
            part.move(value)
        elif value is None:
            part.rows.pop(key, None)
        else:
            part.rows[key] = value
