"""Titles and loans listed by the query API, page by page, compared with rows folded from the events."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from eventstore.partitions import partition_of
from query_api.documents import title_document
from schemas.row import InventoryRow, Loan
from schemas.times import rfc3339

if TYPE_CHECKING:
    from foundation.http.client import Service

_PAGE_SIZE = "500"
_LOAN_FIELDS = ("user_id", "borrowed_at", "due_at")

Item = dict[str, Any]
"""A title or a loan as the query API returns it."""
FetchPage = Callable[["Service", str, dict[str, str | None]], tuple[Item, str]]
"""Gets a page of ``/inventory`` or ``/loans``, and the text of its position header."""
Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")


class Items:
    """All pages of one route, kept in ``folder`` in a file for each partition: memory need not hold them all.

    ``position`` is that of the API at the first page: by partition, -1 before any event.
    """

    def __init__(self, folder: Path, route: str, partitions: int) -> None:
        self._files = [folder / f"{route}-{partition}" for partition in range(partitions)]
        self.position: dict[int, int] = {}

    def add(self, page: Iterable[Item]) -> None:
        """Keep the items of a page."""
        by_partition = defaultdict[int, list[Item]](list)
        for item in page:
            by_partition[partition_of(item["isbn"], len(self._files))].append(_with_token(item))
        for partition, items in by_partition.items():
            with self._files[partition].open("ab") as file:
                file.write(msgspec.json.encode(items) + b"\n")

    def of(self, partition: int) -> Iterator[Item]:
        """The items of a partition's titles, in the order of the pages."""
        if self._files[partition].exists():
            with self._files[partition].open("rb") as file:
                for line in file:
                    yield from msgspec.json.decode(line)


def _with_token(item: Item) -> Item:
    """A loan with the borrower's token in place of the name: rows have it, and no file may have the name."""
    return {**item, "user_id": item["patron"]} if "patron" in item else item


class Listed(Struct, frozen=True):
    """All titles and all loans."""

    titles: Items
    loans: Items


def listed(service: "Service", fetch: FetchPage, folder: Path, partitions: int) -> Listed:
    """Everything that the query API lists, kept in ``folder``. Raises as ``fetch``, and OSError."""

    def of(route: str) -> Items:
        items = Items(folder, route, partitions)
        _fetch_all(service, fetch, route, items)
        return items

    return Listed(of("inventory"), of("loans"))


def _fetch_all(service: "Service", fetch: FetchPage, route: str, items: Items) -> None:
    from eventstore.positions import parse_positions

    page, header = fetch(service, route, {"limit": _PAGE_SIZE, "cursor": None})
    items.position = parse_positions(header) if header else {}
    items.add(page["items"])
    while (cursor := page["next_cursor"]) is not None:
        page, _ = fetch(service, route, {"limit": _PAGE_SIZE, "cursor": cursor})
        items.add(page["items"])


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


TitleListing = Listing[str, InventoryRow]
LoanListing = Listing[tuple[str, str], Loan]


def title_listing(items: Iterable[Item], listed_at: int) -> TitleListing:
    """The titles that the query API listed, by ISBN."""
    return Listing({item["isbn"]: item for item in items}, listed_at, title_item)


def loan_listing(items: Iterable[Item], listed_at: int) -> LoanListing:
    """The loans that the query API listed, by ISBN and borrower, with the loan's own fields."""
    loans = {(item["isbn"], item["user_id"]): {name: item[name] for name in _LOAN_FIELDS} for item in items}
    return Listing(loans, listed_at, loan_item)
