"""What the query API tells, listed page by page, and held against rows that the events make."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from query_api.documents import title_document
from schemas.row import InventoryRow, Loan
from schemas.times import rfc3339

if TYPE_CHECKING:
    from foundation.http.client import Service

_PAGE = "500"

Item = dict[str, Any]
"""A title or a loan as the query API tells it."""
Ask = Callable[["Service", str, dict[str, str | None]], tuple[Item, str]]
"""Gets a page of ``/inventory`` or ``/loans``, and the position in its header."""
Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")


class Told(Struct, frozen=True):
    """All pages of one route, and the position that the API had before the first: by partition, -1: none."""

    items: list[Item]
    position: dict[int, int]


class Listed(Struct, frozen=True):
    """All titles and all loans."""

    titles: Told
    loans: Told


def listed(service: "Service", ask: Ask) -> Listed:
    """Everything that the query API tells of what the library holds now."""
    return Listed(_told(service, ask, "inventory"), _told(service, ask, "loans"))


def _told(service: "Service", ask: Ask, route: str) -> Told:
    from eventstore.positions import parse_positions

    items: list[Item] = []
    position: dict[int, int] | None = None
    cursor: str | None = None
    while True:
        page, said = ask(service, route, {"limit": _PAGE, "cursor": cursor})
        if position is None:
            position = parse_positions(said) if said else {}
        items += page["items"]
        if (cursor := page["next_cursor"]) is None:
            return Told(items, position)


def title_item(row: InventoryRow) -> Item:
    """The row as /inventory tells it."""
    item: Item = msgspec.to_builtins(title_document(row))
    return item


def loan_item(loan: Loan) -> Item:
    """What /loans tells of the loan beside its title."""
    return {
        "user_id": loan.user_id,
        "borrowed_at": rfc3339(loan.borrowed_at),
        "due_at": rfc3339(loan.due_at),
    }


class Listing(Generic[Key, State]):
    """A list made while things changed: whether each item was so at some moment since ``known``.

    ``known`` is the offset up to which the list has everything.
    """

    def __init__(self, items: Mapping[Key, Item], known: int, item_of: Callable[[State], Item]) -> None:
        self._items, self._known, self._item_of = items, known, item_of
        self._now: dict[Key, tuple[int, State]] = {}
        """Since which offset there is something, and what it is now."""
        self._at_known: dict[Key, State | None] = {}
        """What there was at ``known``, where that has changed since."""
        self._right: set[Key] = set()

    def change(self, key: Key, offset: int, state: State | None) -> None:
        """From ``offset`` on there is ``state`` under the key; None: nothing."""
        since, was = self._now.pop(key, (offset, None))
        if offset > self._known:
            self._at_known.setdefault(key, was)
            if was is not None and self._items.get(key) == self._item_of(was):
                self._right.add(key)
        if state is not None:
            self._now[key] = since, state

    def differences(self) -> Iterator[tuple[Key, State | None, Item | None]]:
        """Keys, what there was, and what the list says of it."""
        for key, item in self._items.items():
            _, now = self._now.get(key, (0, None))
            if key not in self._right and (now is None or self._item_of(now) != item):
                yield key, self._at_known.get(key, now), item
        for key, (since, now) in self._now.items():
            if since <= self._known and key not in self._items:
                yield key, now, None
