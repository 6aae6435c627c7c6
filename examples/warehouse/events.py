"""The events of a stock-keeping unit (SKU), and their codec. Times are milliseconds since 1970, UTC."""

from typing import TypeAlias

from msgspec import Struct

from eventstore import Codec, Events, Registry
from eventstore.table_position import REGISTRY as ENGINE
from projector.fold.keyed_fold import Row


class StockReceived(Struct, frozen=True):
    """``quantity`` pieces came in."""

    sku: str
    quantity: int
    timestamp: int


class StockPicked(Struct, frozen=True):
    """``quantity`` pieces left for ``order``."""

    sku: str
    quantity: int
    order: str
    timestamp: int


class StockCounted(Struct, frozen=True):
    """Somebody counted ``counted`` pieces, which corrects the books."""

    sku: str
    counted: int
    timestamp: int


Event: TypeAlias = StockReceived | StockPicked | StockCounted


class StockRow(Row, frozen=True, kw_only=True):
    """The table's row of a SKU."""

    sku: str
    on_hand: int = 0
    picked: int = 0


CODEC = Codec(Registry("examples.warehouse", (StockReceived, StockPicked, StockCounted, StockRow)), ENGINE)
EVENTS: Events[Event] = Events(
    "warehouse.stock", CODEC.encode, CODEC.decode, lambda event: event.sku, lambda sku: 0 < len(sku) <= 40
)
