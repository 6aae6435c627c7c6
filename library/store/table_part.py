"""One partition of a table, read from its changelog."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from eventstore.partition_reader import follow_partition
from eventstore.table_position import POSITION_KEY, PositionTrack
from eventstore.topics import Table
from schemas.codec import Undecodable, decode
from schemas.row import InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings


class Rows(Protocol):
    """What receives encoded rows by key: a dict, or something that does not keep them in memory."""

    def __setitem__(self, key: bytes, row: bytes, /) -> None: ...

    def pop(self, key: bytes, default: None, /) -> object: ...  # noqa: D102


R = TypeVar("R", bound=Rows)


class TablePart(PositionTrack, Generic[R], kw_only=True):
    """The rows, and the table's position in the event store."""

    rows: R
    """Encoded rows by key: most are only compared."""


def inventory_row(rows: Mapping[bytes, bytes], isbn: str) -> InventoryRow | None:
    """The title's row among those of the inventory table. Raises Undecodable."""
    value = rows.get(isbn.encode())
    if value is None:
        return None
    row = decode(value)
    if not isinstance(row, InventoryRow):
        raise Undecodable(f"a {type(row).__name__} under the key of a row")
    return row


def table_parts(settings: "Settings", table: Table, partition: int, rows: R) -> Iterator[TablePart[R]]:
    """The partition of the table, each time its changelog has been read to the end into ``rows``.

    At the end it is consistent: the rows of a batch become visible together. Raises as ``follow_partition``.
    """
    part = TablePart(rows=rows)
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
