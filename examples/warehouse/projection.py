"""The warehouse's table: one row for each SKU."""

from msgspec.structs import replace

from eventstore import Table
from examples.warehouse.events import CODEC, EVENTS, Event, StockCounted, StockPicked, StockReceived, StockRow
from projector.fold.keyed_fold import KeyedTable


def fold(row: StockRow | None, event: Event) -> StockRow:
    """The row after ``event``."""
    row = row or StockRow(sku=event.sku)
    match event:
        case StockReceived():
            return replace(row, on_hand=row.on_hand + event.quantity)
        case StockPicked():
            return replace(row, on_hand=row.on_hand - event.quantity, picked=row.picked + event.quantity)
        case StockCounted():
            return replace(row, on_hand=event.counted)


TABLE = Table(group="stock", name="stock")
PROJECTION = KeyedTable(TABLE, EVENTS, lambda event: event.sku, fold, CODEC).projection()
