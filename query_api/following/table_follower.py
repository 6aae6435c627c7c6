"""Follows the inventory table that counts, and changes to another one without a gap in the answers."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from eventstore.topics import WrongTopic
from query_api.following.follower import KAFKA_TIMEOUT_S, Follower
from query_api.following.source import KafkaException, KafkaUnavailable, Source
from query_api.replica.progress import Ends, Progress
from query_api.replica.replica import FILE, Replica, delete_replica
from schemas.tables import Tables

log = logging.getLogger(__name__)

NOTE = "table"
"""File with the number of the table that the last answers came from; none: 1."""
CHECK_INTERVAL_S = 1.0
"""Between two looks at the record that says which table counts."""
FREEZE_MAX_S = 1.0
"""That answers may stay at one position for a change to another table."""
_POLL_INTERVAL_S = 0.005


class TableFollower:
    """The replica of the table that the record in Kafka names.

    When the record names another table, a second replica is read from it beside the first. Once that one has
    caught up, the first is frozen. The second takes over when it includes every event that existed at that
    moment: no row and no position that was shown can be newer. The first replica's file stays until its table
    is dropped. A change back continues with it.
    """

    def __init__(self, source: Source, folder: Path, notify: Callable[[Progress], None]) -> None:
        self._source, self._folder, self._notify = source, folder, notify
        self._stop = threading.Event()
        self._active = self._follower(_noted(folder))
        self._next: Follower | None = None
        """It is read beside the active one, to take over."""
        self._started = False
        self._kept: set[int] = set()
        """The tables whose replicas may be on disk."""
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="tables", daemon=True)

    @property
    def table(self) -> int:
        """The number of the table that answers come from."""
        return self._active.table

    @property
    def replica(self) -> Replica | None:
        """The replica to answer from; None until it exists."""
        return self._active.replica

    @property
    def ready(self) -> bool:
        """As ``Follower.ready``."""
        return self._active.ready

    @property
    def ends(self) -> Ends | None:
        """As ``Follower.ends``."""
        return self._active.ends

    @property
    def trouble(self) -> str | None:
        """The reason why nothing new can be read, or why the table that counts is unknown."""
        return self._trouble or self._active.trouble

    def rebuild(self, reason: str) -> None:
        """Request a new replica of the present table. Safe from any thread."""
        self._active.rebuild(reason)

    def start(self) -> None:
        """Open the replica, if there is one, and follow."""
        if (self._table_folder(self._active.table) / FILE).exists():
            self._start_active()
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End all threads; wait ``timeout`` seconds for them."""
        self._stop.set()
        end = time.monotonic() + timeout
        self._thread.join(timeout)
        for follower in (self._next, self._active if self._started else None):
            if follower is not None:
                follower.stop(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow(self._source.tables(KAFKA_TIMEOUT_S))
                self._trouble = None
            except (KafkaException, KafkaUnavailable, WrongTopic) as error:
                self._report(f"the table that counts is unknown: {self._source.why(error)}")
            except OSError as error:
                self._report(f"the replica of another table can't be used: {error}")
            except Exception:
                # The thread must not end: this process would miss every later change
                log.exception("the table that counts can't be followed, retrying")
            self._wait_for_next()

    def _report(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble

    def _follow(self, tables: Tables) -> None:
        if not self._started:
            if tables.current != self._active.table:
                # Nothing was answered yet
                self._active = self._follower(tables.current)
                _write_note(self._folder, tables.current)
            self._start_active()
        if tables.current == self._active.table:
            self._abandon_next()
        elif self._next is None or self._next.table != tables.current:
            self._abandon_next()
            log.info("table %d counts now: its replica is read beside table %d", tables.current, self.table)
            self._next = self._follower(tables.current)
            self._next.start()
        kept = {*tables.numbers, self.table}
        if kept != self._kept:
            self._delete_dropped(kept)
            self._kept = kept

    def _wait_for_next(self) -> None:
        """Wait until the record is to be read again; change to the next table when that is possible."""
        end = time.monotonic() + CHECK_INTERVAL_S
        while not self._stop.wait(_POLL_INTERVAL_S if self._next is not None else CHECK_INTERVAL_S):
            if self._next is None or time.monotonic() > end:
                return
            try:
                if self._may_change(self._next):
                    self._change(self._next)
            except (KafkaException, OSError) as error:
                log.warning("the change to table %d is tried again: %s", self._next.table, error)
                return

    def _may_change(self, following: Follower) -> bool:
        """Whether the next replica has caught up with the present one, as far as both can say."""
        if not following.ready or following.replica is None:
            return False
        shown, included = self._shown(), following.replica.progress.offsets()
        return all(included[p] >= offset for p, offset in shown.items())

    def _shown(self) -> dict[int, int]:
        replica = self._active.replica
        return {} if replica is None or not replica.progress.complete else replica.progress.offsets()

    def _change(self, following: Follower) -> None:
        """Answer from the next replica once it has everything that the present one may have shown."""
        before, began = self._active, time.monotonic()
        with before.frozen():
            replica = before.replica
            history = () if replica is None else replica.progress.history
            # A broker that was frozen may report an old end. Without a replica nothing was shown
            ends = self._source.event_ends(KAFKA_TIMEOUT_S)
            goal = [max(pair) for pair in zip(ends, history, strict=False)]
            while not _includes(following.replica, goal):
                if time.monotonic() - began > FREEZE_MAX_S or self._stop.wait(_POLL_INTERVAL_S):
                    return
            # Before the first answer: after a kill the next process must not go back to the old replica
            _write_note(self._folder, following.table)
            before.retire()
            self._active, self._next = following, None
        assert following.replica is not None
        progress = following.replica.progress
        took_ms = 1000 * (time.monotonic() - began)
        log.info("answers come from table %d, at %s, after %.0f ms", following.table, progress, took_ms)
        self._notify(progress)
        before.stop()

    def _abandon_next(self) -> None:
        abandoned, self._next = self._next, None
        if abandoned is not None:
            abandoned.stop()

    def _delete_dropped(self, kept: set[int]) -> None:
        """Delete the replicas of tables that do not exist any more."""
        if 1 not in kept:
            delete_replica(self._folder)
        for folder in self._folder.glob("table-*"):
            if folder.name not in {f"table-{number}" for number in kept}:
                shutil.rmtree(folder)

    def _start_active(self) -> None:
        self._started = True
        self._active.start()

    def _follower(self, number: int) -> Follower:
        folder = self._table_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        return Follower(self._source.of_table(number), folder, partial(self._pass_on, number))

    def _pass_on(self, number: int, progress: Progress) -> None:
        # A request that waits is answered from the active replica only
        if self._active.table == number:
            self._notify(progress)

    def _table_folder(self, number: int) -> Path:
        return self._folder if number == 1 else self._folder / f"table-{number}"


def _includes(replica: Replica | None, ends: list[int]) -> bool:
    """Whether rows and history of the replica include every event before ``ends``."""
    if replica is None or not replica.progress.complete:
        return False
    progress = replica.progress
    return all(min(progress.table[p], progress.history[p]) >= end for p, end in enumerate(ends))


def _noted(folder: Path) -> int:
    """The table that the last answers came from. Raises OSError."""
    try:
        text = (folder / NOTE).read_text("ascii").strip()
    except FileNotFoundError:
        return 1
    # A damaged note costs the time to read the table that counts
    return int(text) if text.isdecimal() and int(text) else 1


def _write_note(folder: Path, number: int) -> None:
    """Replace the note atomically. Raises OSError."""
    aside = folder / f"{NOTE}.new"
    aside.write_text(f"{number}\n", "ascii")
    aside.replace(folder / NOTE)
