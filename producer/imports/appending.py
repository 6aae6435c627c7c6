"""Appends one partition of a spooled catalogue to the event store."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import assert_never

from confluent_kafka import KafkaException
from msgspec import Struct

from eventstore.append.writer import Writer
from eventstore.headers import ACTOR
from eventstore.positions import Position
from eventstore.state.outcomes import (
    Accepted,
    Outcome,
    OutcomeUnknown,
    Refused,
    Reused,
    Unwritable,
    submit,
)
from foundation.settings import Settings
from producer.imports.spool import (
    Rejected,
    SpooledRow,
    keep_rejected,
    keep_rejected_repeats,
    spooled_batches,
)
from producer.writers import binding, snapshot_of, writer_of

EVENTS_A_ROW = 2
"""Events that can be read in the additional time that a row takes with a snapshot."""


class Stopped(Exception):
    """The import stopped early. Running it again completes it, and repeats nothing.

    ``begun``: something may have been written.
    """

    def __init__(self, reason: str, begun: bool) -> None:
        super().__init__(reason)
        self.begun = begun


class Task(Struct, frozen=True):
    """Common to all partitions: ``folder`` holds the spool, ``identity`` begins the command ids."""

    settings: Settings
    folder: str
    identity: str


class Share(Struct, frozen=True):
    """One partition's part: the number of its ``rows``, and whether its whole state has room in memory."""

    partition: int
    rows: int
    fits_in_memory: bool


class Counts(Struct):
    """Rows by outcome. An ``unchanged`` row describes a title that is in the inventory with these details."""

    added: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def all(self) -> int:
        """All rows with an outcome."""
        return self.added + self.unchanged + self.rejected

    def add(self, other: "Counts") -> None:
        """Count the rows of ``other``, too."""
        self.added += other.added
        self.unchanged += other.unchanged
        self.rejected += other.rejected


class Committed(Struct, frozen=True, tag=True):
    """A transaction of an import was committed; ``offset`` is the last of its receipts', -1 without any."""

    counts: Counts
    partition: int
    offset: int


def append_share(task: Task, share: Share, stopping: Callable[[], bool]) -> Iterator[Committed]:
    """Append a partition's rows, one transaction after the other.

    Raises Stopped if Kafka is away, if an outcome stays unknown, or if ``stopping`` between two transactions.
    """
    settings, folder = task.settings, Path(task.folder)
    carried = {ACTOR: settings.actor} if settings.actor else None
    try:
        writer = _writer(settings, share)
    except KafkaException as error:
        raise Stopped(error.args[0].str(), False) from error
    try:
        _read_log(writer, settings.deadline, stopping)
        for batch in spooled_batches(folder, share.partition):
            if stopping():
                raise Stopped("interrupted", True)
            commands = [submit(f"import-{task.identity}-{row.line}", row.command, carried) for row in batch]
            outcomes = writer.execute(commands, settings.deadline)
            yield _settled(folder, share.partition, batch, outcomes)
            writer.rest()
    finally:
        writer.close()


def _writer(settings: Settings, share: Share) -> Writer:
    snapshot = snapshot_of(settings, share.partition, binding(settings))
    # Rows are faster with the whole state in memory, but every event has to be read for that, also those that
    # the snapshot includes
    if share.fits_in_memory and snapshot.load().next <= EVENTS_A_ROW * share.rows:
        snapshot.close()
        return writer_of(settings, share.partition)
    return writer_of(settings, share.partition, snapshot)


def _read_log(writer: Writer, deadline_s: float, stopping: Callable[[], bool]) -> None:
    """Read the partition, however long that takes, as long as it advances. Raises Stopped."""
    trouble = writer.check(deadline_s, urgent=stopping)
    if isinstance(trouble, OutcomeUnknown):
        raise Stopped("interrupted" if stopping() else trouble.reason, False)


def _settled(folder: Path, partition: int, batch: list[SpooledRow], outcomes: list[Outcome]) -> Committed:
    """Count the rows by outcome, and keep the rejected ones. Raises Stopped for an unknown outcome."""
    counts, offset = Counts(), -1
    rejected, repeats = list[Rejected](), list[Rejected]()
    for row, outcome in zip(batch, outcomes, strict=True):
        reason = ""
        match outcome:
            case Accepted():
                receipt = outcome.receipt
                offset = max(offset, Position.of(receipt.position).offset)
                if outcome.replayed or not receipt.events:
                    counts.unchanged += len(row.lines)
                else:
                    counts.added += len(row.lines)
            case OutcomeUnknown():
                raise Stopped(outcome.reason, outcome.sent)
            case Refused():
                reason = outcome.rejection.message
            case Reused():
                reason = f"another command has the id {outcome.command_id}"
            case Unwritable():
                reason = outcome.reason
            case _:
                assert_never(outcome)
        if reason:
            rejected.append((row.line, reason))
            repeats += [(line, reason) for line in row.repeats]
    if rejected:
        keep_rejected(folder, str(partition), rejected)
    if repeats:
        keep_rejected_repeats(folder, partition, repeats)
    counts.rejected = len(rejected) + len(repeats)
    return Committed(counts, partition, offset)
