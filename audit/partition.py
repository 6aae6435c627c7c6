"""One partition under audit: its events, its rows in the changelog, and the comparison of both."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from confluent_kafka import Message
from msgspec.structs import replace

from audit.differences import Difference, Verdict
from audit.fold import fold_events
from audit.titles import Entry, Found, Titles, digest
from eventstore.avro import schema_id
from eventstore.table_position import POSITION_KEY, PositionTrack
from schemas.codec import Undecodable, decode, encode, newest
from schemas.row import InventoryRow

log = logging.getLogger(__name__)

BUFFERED_ROWS = 2_000
FOLDED_EVENTS = 2_000
PAGE_ROWS = 5_000
"""Rows that are compared at a time."""
MOST_TOUCHED = 20_000
"""Titles that are remembered one by one until they are compared; beyond that, all are compared."""
MOST_DETAILS = 100
"""Differences of a partition that are kept with their values; the others are counted."""


class Explaining(Protocol):
    """Finds out why entries do not match; see ``audit.differences.Explainer``."""

    def explain(self, partition: int, following: int, entries: Sequence[Entry], at: int) -> Iterator[Verdict]:
        """A verdict for each entry."""


class Partition:
    """Compares the rows of a partition with its events, whenever its changelog was read to the end.

    ``least`` is an offset of the event store: the table is compared from there on. A table that is further
    back may be in the middle of a replay, with rows of different positions.
    """

    def __init__(
        self,
        number: int,
        source: str,
        titles: Titles,
        explainer: Explaining,
        least: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.number, self.explainer = number, explainer
        self._source, self._titles = source, titles
        self._clock = clock
        self.folded = 0
        """The events before this offset are in the audit's rows."""
        self.events: deque[Message] = deque()
        """Events that are not folded yet."""
        self.details: dict[str, Difference] = {}
        self.compared = 0
        """Rows compared so far, each time that they were."""
        self.found = 0
        """Differences found so far."""
        self.differing = 0
        """Rows that differ now."""
        self.whole_at: float | None = None
        """Every row was compared at or after this time (s since 1970); None: not yet."""
        self.read_table(least)

    def read_table(self, least: int) -> None:
        """Read the changelog from its beginning, and compare every row once that has happened."""
        self.least = max(least, self.folded)
        self._track = PositionTrack()
        self._titles.forget_table(self.number)
        self._rows: dict[bytes, Found] = {}
        self._touched: set[bytes] = set()
        self._all_touched = True
        self._reading_since = self._clock()
        self.at_end = False
        self.table_end = 0
        """The offset of the changelog that is read next."""
        self.goal: int | None = None
        """An end of the changelog. From there on every position record counts as an end."""

    @property
    def next(self) -> int:
        """The offset of the event store that the table reads next."""
        return self._track.next

    @property
    def reading(self) -> bool:
        """Whether rows wait for the changelog to be read to its end."""
        return self._all_touched

    @property
    def other_source(self) -> str:
        """The event store that the table was made from, if it is another one; "" otherwise."""
        position = self._track.position
        return position.source if position is not None and position.source != self._source else ""

    @property
    def comparable(self) -> bool:
        """Whether all rows have the same position, which the events can be folded to."""
        return (
            self.at_end
            and not self.other_source
            and not self._track.replaying
            and self.next >= max(self.least, self.folded)
        )

    def take_row(self, message: Message) -> None:
        """Take the next record of the changelog."""
        self.at_end = False
        offset = message.offset() or 0
        self.table_end = offset + 1
        key, value = message.key() or b"", message.value()
        if key == POSITION_KEY:
            self._track.move(value)
            # It is the last record of its transaction, before the marker
            self.at_end = self.goal is not None and offset + 2 >= self.goal
            return
        self._rows[key] = Found(None if value is None else _digest(value), offset)
        if len(self._rows) >= BUFFERED_ROWS:
            self._store_rows()

    def take_end(self, offset: int) -> None:
        """Take that the changelog ends at ``offset``: all rows of its transactions were read."""
        self.at_end = True
        self.table_end = max(self.table_end, offset)

    def fold(self) -> None:
        """Fold the events that the table has, among those that have arrived."""
        while self.events and (self.events[0].offset() or 0) < self.next:
            part: list[Message] = []
            while self.events and len(part) < FOLDED_EVENTS and (self.events[0].offset() or 0) < self.next:
                part.append(self.events.popleft())
            self._touch(fold_events(self._titles, self.number, part))
            self.folded = (part[-1].offset() or 0) + 1

    def compare(self) -> None:
        """Compare the rows that changed since the last comparison, with all events folded before ``next``.

        Raises as ``Explainer.explain``.
        """
        self.folded = self.next
        self.goal = None
        self._store_rows()
        later: set[bytes] = set()
        if self._all_touched:
            key = b""
            while page := self._titles.entries_after(self.number, key, PAGE_ROWS):
                key = page[-1].key
                later |= self._compare(page)
            self.whole_at = self._reading_since
        elif self._touched:
            later = self._compare(self._titles.entries(self.number, self._touched))
        self._touched, self._all_touched = later, False

    def _compare(self, entries: Sequence[Entry]) -> set[bytes]:
        """Compare these rows; return the keys of those to be compared again."""
        self.compared += len(entries)
        suspects = [entry for entry in entries if not entry.matches]
        same = [entry for entry in entries if entry.differs and entry.matches]
        differing: list[Entry] = []
        later: set[bytes] = set()
        now = int(self._clock() * 1000)
        for entry, difference, decided in self.explainer.explain(self.number, self.next, suspects, now):
            if not decided:
                later.add(entry.key)
            elif difference is None:
                same.append(entry)
                self._recognise(entry)
            else:
                differing.append(entry)
                self._note(entry, difference)
        for entry in same:
            if entry.differs:
                name = entry.key.decode(errors="backslashreplace")
                self.details.pop(name, None)
                log.warning("%s: the row is as its events make it again", name)
        if differing or same:
            self._titles.mark(self.number, [entry.key for entry in differing], differs=True)
            self._titles.mark(self.number, [entry.key for entry in same], differs=False)
            self.differing = self._titles.differing(self.number)
        return later

    def oldest(self) -> float | None:
        """The time (s since 1970) after which every row was compared that there was; None: there is none.

        Rows that wait for events, or for the table, are as old as the event is.
        """
        waiting = [at for at in (self.whole_at, self._first_waiting()) if at is not None]
        return min(waiting) if self.whole_at is not None else None

    def _first_waiting(self) -> float | None:
        return None if not self.events else self.events[0].timestamp()[1] / 1000

    def _recognise(self, entry: Entry) -> None:
        """The table has the row in other bytes: the next comparison need not read its record."""
        if entry.expected is not None and entry.record is not None:
            self._titles.find(self.number, {entry.key: Found(digest(entry.expected), entry.record)})

    def _note(self, entry: Entry, difference: Difference) -> None:
        self.found += not entry.differs
        before = self.details.get(difference.isbn)
        if before is not None and _is_same(before, difference):
            return
        if before is not None or len(self.details) < MOST_DETAILS:
            self.details[difference.isbn] = difference
            log.error(
                "%s: the table differs from the events: %s (event %s, changelog %s, position %s)",
                difference.isbn, difference.summary, difference.event, difference.record, difference.position,
            )  # fmt: skip

    def _store_rows(self) -> None:
        rows, self._rows = self._rows, {}
        self._titles.find(self.number, rows)
        self._touch(rows.keys())

    def _touch(self, keys: Iterable[bytes]) -> None:
        if not self._all_touched:
            self._touched.update(keys)
            if len(self._touched) > MOST_TOUCHED:
                self._all_touched, self._touched = True, set()


def _digest(value: bytes) -> bytes:
    """The digest of the row as it is encoded today; of the bytes, if they are no row."""
    if schema_id(value) != newest(InventoryRow.__name__).id:
        try:
            row = decode(value)
        except Undecodable:
            return digest(value)
        if isinstance(row, InventoryRow):
            return digest(encode(row))
    return digest(value)


def _is_same(one: Difference, other: Difference) -> bool:
    """Whether two differences are one, found again."""
    return one == replace(other, position=one.position, found_at=one.found_at)
