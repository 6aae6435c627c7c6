"""One partition of a table, read from its changelog."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from eventstore.partition_reader import follow_partition
from eventstore.table_position import CODEC, POSITION_KEY, TablePosition
from eventstore.topics import Table
from schemas.codec import Undecodable, decode
from schemas.row import InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings


class TablePart(Struct):
    """The rows, and the table's position in the event store."""

    rows: dict[bytes, bytes]
    """Encoded rows by key: most are only compared."""
    position: TablePosition | None = None
    highest: int = 0

    @property
    def next(self) -> int:
        """The event store offset that the table will read next."""
        return 0 if self.position is None else self.position.next

    @property
    def replaying(self) -> bool:
        """Whether the table reads events again that it has had before."""
        return self.next < self.highest

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
    part = TablePart({})
    for message in follow_partition(settings, table.changelog(settings), partition):
        if message is None:
            yield part
            continue
        key, value = message.key() or b"", message.value()
        if key == POSITION_KEY:
            _move(part, value)
        elif value is None:
            part.rows.pop(key, None)
        else:
            part.rows[key] = value


def _move(part: TablePart, value: bytes | None) -> None:
    """Take a position record. An unreadable one makes the projector read all events again."""
    try:
        position: TablePosition = CODEC.decode(value)
    except Undecodable:
        part.position = None
        return
    part.position, part.highest = position, max(part.highest, position.next)
