"""The rules of the warehouse: commands, ``decide``, ``evolve``, and the Decider for the engine."""

from typing import TypeAlias, assert_never

from msgspec import Struct

from eventstore import Decider, Rejection
from examples.warehouse.events import EVENTS, Event, StockCounted, StockPicked, StockReceived


class ReceiveStock(Struct, frozen=True, tag=True):
    """Take ``quantity`` pieces in."""

    sku: str
    quantity: int


class PickStock(Struct, frozen=True, tag=True):
    """Take ``quantity`` pieces off the shelf for ``order``."""

    sku: str
    quantity: int
    order: str


class CountStock(Struct, frozen=True, tag=True):
    """Report that ``counted`` pieces are there."""

    sku: str
    counted: int


Command: TypeAlias = ReceiveStock | PickStock | CountStock


class Shelf(Struct, frozen=True):
    """The state of a SKU as decisions need it."""

    on_hand: int = 0


def decide(shelf: Shelf, command: Command, at: int) -> tuple[Event, ...] | Rejection:
    """The events of ``command`` at time ``at`` (ms), or why it is refused."""
    match command:
        case ReceiveStock(sku, quantity):
            if quantity < 1:
                return Rejection("bad_quantity", "at least one piece must come in")
            return (StockReceived(sku, quantity, at),)
        case PickStock(sku, quantity, order):
            if not 1 <= quantity <= shelf.on_hand:
                return Rejection("not_enough", f"{shelf.on_hand} pieces are on hand, {quantity} are wanted")
            return (StockPicked(sku, quantity, order, at),)
        case CountStock(sku, counted):
            return () if counted == shelf.on_hand else (StockCounted(sku, counted, at),)
        case _:
            assert_never(command)


def evolve(shelf: Shelf, event: Event) -> Shelf:
    """The shelf after ``event``."""
    match event:
        case StockReceived():
            return Shelf(shelf.on_hand + event.quantity)
        case StockPicked():
            return Shelf(shelf.on_hand - event.quantity)
        case StockCounted():
            return Shelf(event.counted)
        case _:
            assert_never(event)


GOLDEN = (StockReceived("A-1", 5, 1), StockPicked("A-1", 2, "order-1", 2), StockCounted("A-1", 4, 3))
WAREHOUSE: Decider[Shelf, Command, Event] = Decider(
    EVENTS, Shelf(), decide, evolve, lambda command: command.sku, GOLDEN
)
