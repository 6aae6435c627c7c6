"""The whole event store folded once more, the plain way, and compared with what is kept of it."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from inventory.projection import project
from library.partition_log import partition_log
from library.table_part import TablePart, table_parts
from query_api.answers import title_of
from schemas.codec import encode
from schemas.keys import parse_event_key
from schemas.partitions import partition_of
from schemas.row import InventoryRow
from schemas.topics import events_topic

if TYPE_CHECKING:
    from schemas.asking import Service
    from schemas.settings import Settings

_PAGE = "500"
EVERY = 1000
"""Events between two notes of progress."""

Item = dict[str, Any]
"""A title as the query API tells it."""


class Difference(Struct, frozen=True):
    """A row that is not as its events say; None: there is none. ``where`` is ``table`` or ``api``."""

    isbn: str
    where: str
    expected: InventoryRow | None
    found: InventoryRow | Item | None

    @property
    def says(self) -> str:
        """What differs, without naming borrowers."""
        if self.found is None:
            return "the row is missing"
        if self.expected is None:
            return "there are no events that make this row"
        want: Any = self.expected if self.where == "table" else title_of(self.expected)
        wanted, found = msgspec.to_builtins(want), msgspec.to_builtins(self.found)
        names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
        return ", ".join(
            name if name == "loans" else f"{name} {found.get(name)!r}, not {wanted.get(name)!r}"
            for name in names
        )


class Listed(Struct, frozen=True):
    """What the query API listed, and the position it had before it began: by partition, -1 for nothing."""

    items: dict[str, Item]
    position: dict[int, int]


class Checked(Struct):
    """What was compared of one partition; ``following`` is the position that it was compared at."""

    partition: int
    following: int
    titles: int
    differences: list[Difference]


class Behind(Exception):
    """The table does not come to the end of the events."""


class OtherStore(Exception):
    """The table was made from another event store."""


def listed(service: "Service", ask: Callable[["Service", dict[str, str | None]], tuple[Item, str]]) -> Listed:
    """All titles of the query API. ``ask`` gets a page of /inventory and the position in its header."""
    from schemas.positions import parse_positions

    items: dict[str, Item] = {}
    position: dict[int, int] | None = None
    cursor: str | None = None
    while True:
        page, said = ask(service, {"limit": _PAGE, "cursor": cursor})
        if position is None:
            position = parse_positions(said) if said else {}
        items.update((item["isbn"], item) for item in page["items"])
        if (cursor := page["next_cursor"]) is None:
            return Listed(items, position)


def check(
    settings: "Settings", source: str, ends: dict[int, int], api: Listed | None, note: Callable[[int], None]
) -> Iterator[Checked]:
    """Compare every partition, at a position at or behind ``ends``.

    ``source`` names the event store as TablePosition does; ``note`` is told the events that were folded.
    Raises Behind, OtherStore, Gap for events that are missing, and as ``partition_log``.
    """
    folded = 0
    for partition, end in sorted(ends.items()):
        part = _at_least(settings, partition, end)
        if part.position is not None and part.position.source != source:
            raise OtherStore(
                f"the table was made from another event store, {part.position.source}, not {source}: delete "
                "the changelog topic, `library topics create`, and start the projector"
            )
        comparison = _Comparison(partition, settings.partitions, api)
        for message in partition_log(settings, events_topic(settings), partition) if part.next else ():
            # The position may lie behind the last record, over markers that nobody is given
            if message is None or (message.offset() or 0) >= part.next:
                break
            isbn, version = parse_event_key(message.key())
            comparison.fold(isbn, version, message.offset() or 0, message.value())
            folded += 1
            if folded % EVERY == 0:
                note(folded)
        yield comparison.checked(part)


def _at_least(settings: "Settings", partition: int, end: int) -> TablePart:
    """The partition once it has come to ``end`` and no replay is under way."""
    moved, best = time.monotonic(), -1
    for part in table_parts(settings, partition):
        if part.next >= end and not part.replaying:
            return part
        if part.next > best:
            moved, best = time.monotonic(), part.next
        elif time.monotonic() - moved > settings.deadline:
            raise Behind(
                f"the table stays at {part.next} of partition {partition}, the events go on to {end}: "
                "`library status` tells whether the projector runs, `library logs projector` why it waits"
            )
    raise AssertionError("a partition has no last state")


class _Comparison:
    """One partition's rows, as its events make them, beside those of the query API."""

    def __init__(self, partition: int, partitions: int, api: Listed | None) -> None:
        self._partition = partition
        self._rows: dict[str, InventoryRow] = {}
        self._api = api
        self._items: dict[str, Item] = {}
        self._there_since: dict[str, int] = {}
        """The offset since which a title is listed, for those that are."""
        self._at_version: dict[str, InventoryRow] = {}
        """The row that had the version which the query API told."""
        self._right: set[str] = set()
        if api is not None:
            self._items = {
                isbn: item for isbn, item in api.items.items() if partition_of(isbn, partitions) == partition
            }

    def fold(self, isbn: str, version: int, offset: int, value: bytes | None) -> None:
        row = self._rows[isbn] = project(self._rows.get(isbn), isbn, version, offset, value)
        if self._api is None:
            return
        if row.removed:
            self._there_since.pop(isbn, None)
        else:
            self._there_since.setdefault(isbn, offset)
        item = self._items.get(isbn)
        if item is not None and item["version"] == row.version and isbn not in self._right:
            self._at_version[isbn] = row
            if not row.removed and msgspec.to_builtins(title_of(row)) == item:
                self._right.add(isbn)

    def checked(self, part: TablePart) -> Checked:
        differences = [
            Difference(isbn, "table", self._rows.get(isbn), part.row(isbn))
            for isbn in sorted(self._rows.keys() | part.rows.keys())
            if isbn not in self._rows or part.rows.get(isbn) != encode(self._rows[isbn])
        ]
        if self._api is not None:
            differences += [
                Difference(isbn, "api", self._at_version.get(isbn), item)
                for isbn, item in sorted(self._items.items())
                if isbn not in self._right
            ]
            known = self._api.position.get(self._partition, -1)
            differences += [
                Difference(isbn, "api", self._rows[isbn], None)
                for isbn, since in sorted(self._there_since.items())
                if since <= known and isbn not in self._items
            ]
        return Checked(self._partition, part.next, len(self._rows), differences)
