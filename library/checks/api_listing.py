"""Titles and loans listed by the query API, page by page, compared with rows folded from the events."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from query_api.documents import title_document
from schemas.row import InventoryRow, Loan
from schemas.times import rfc3339

if TYPE_CHECKING:
    from foundation.http.client import Service

_PAGE_SIZE = "500"

Item = dict[str, Any]
"""A title or a loan as the query API returns it."""
FetchPage = Callable[["Service", str, dict[str, str | None]], tuple[Item, str]]
"""Gets a page of ``/inventory`` or ``/loans``, and the text of its position header."""
Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")


class Items(Struct, frozen=True):
    """All pages of one route, and the API's position at the first page: by partition, -1 before any event."""

    items: list[Item]
    position: dict[int, int]


class Listed(Struct, frozen=True):
    """All titles and all loans."""

    titles: Items
    loans: Items


def listed(service: "Service", fetch: FetchPage) -> Listed:
    """Everything that the query API lists. Raises as ``fetch``."""
    return Listed(_all_items(service, fetch, "inventory"), _all_items(service, fetch, "loans"))


def _all_items(service: "Service", fetch: FetchPage, route: str) -> Items:
    from eventstore.positions import parse_positions

    items: list[Item] = []
    position: dict[int, int] | None = None
    cursor: str | None = None
    while True:
        page, header = fetch(service, route, {"limit": _PAGE_SIZE, "cursor": cursor})
        if position is None:
            position = parse_positions(header) if header else {}
        items += page["items"]
        if (cursor := page["next_cursor"]) is None:
            return Items(items, position)


def title_item(row: InventoryRow) -> Item:
    """The row as /inventory returns it."""
    item: Item = msgspec.to_builtins(title_document(row))
    return item


def loan_item(loan: Loan) -> Item:
    """The loan's own fields as /loans returns them."""
    return {
        "user_id": loan.user_id,
        "borrowed_at": rfc3339(loan.borrowed_at),
        "due_at": rfc3339(loan.due_at),
    }


class Listing(Generic[Key, State]):
    """A list read while things changed: each item must equal a state at or after offset ``listed_at``.

    ``listed_at`` is the offset up to which the list includes every event.
    """

    def __init__(self, items: Mapping[Key, Item], listed_at: int, item_of: Callable[[State], Item]) -> None:
        self._items, self._listed_at, self._item_of = items, listed_at, item_of
        self._now: dict[Key, tuple[int, State]] = {}
        """The current state of each key, and the offset of the event that created the key."""
        self._at_listing: dict[Key, State | None] = {}
        """The state at ``listed_at`` of each key that changed later."""
        self._confirmed: set[Key] = set()

    def change(self, key: Key, offset: int, state: State | None) -> None:
        """From ``offset`` on, the key has this state; None: it does not exist."""
        since, was = self._now.pop(key, (offset, None))
        if offset > self._listed_at:
            self._at_listing.setdefault(key, was)
            if was is not None and self._items.get(key) == self._item_of(was):
                self._confirmed.add(key)
        if state is not None:
            self._now[key] = since, state

    def differences(self) -> Iterator[tuple[Key, State | None, Item | None]]:
        """Keys whose listed item matches no state, with the state and the item."""
        for key, item in self._items.items():
            _, now = self._now.get(key, (0, None))
            if key not in self._confirmed and (now is None or self._item_of(now) != item):
                yield key, self._at_listing.get(key, now), item
        for key, (since, now) in self._now.items():
            if since <= self._listed_at and key not in self._items:
                yield key, now, None
