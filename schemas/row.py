"""The rows of the inventory table: one for each title."""

from msgspec import Struct


class Loan(Struct, frozen=True):
    """An open loan; times are milliseconds since 1970, UTC."""

    user_id: str
    borrowed_at: int
    due_at: int


class Held(Struct, frozen=True):
    """The event that could not be applied; later events of the title wait for it."""

    version: int
    offset: int
    reason: str


class InventoryRow(Struct, frozen=True):
    """A title as of ``version``. ``quantity`` copies are owned, ``available`` are on the shelf."""

    isbn: str
    title: str
    author: str
    quantity: int
    available: int
    loans: tuple[Loan, ...]
    removed: bool
    version: int
    updated_at: int
    held: Held | None = None
