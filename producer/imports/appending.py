"""One partition of a spooled catalogue into the event store."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import assert_never

from confluent_kafka import KafkaException
from msgspec import Struct

from eventstore.append.writer import Writer
from eventstore.state.outcomes import (
    Accepted,
    Outcome,
    OutcomeUnknown,
    Refused,
    Reused,
    Submitted,
    Unwritable,
    submit,
)
from foundation.settings import Settings
from producer.imports.spool import Refusal, Spooled, commands, refuse_later
from producer.writers import binding, snapshot_of, writer_of


class Stopped(Exception):
    """The import did not come to its end; running it again completes it, and does nothing twice.

    ``begun``: something may have been written.
    """

    def __init__(self, reason: str, begun: bool) -> None:
        super().__init__(reason)
        self.begun = begun


class Task(Struct, frozen=True):
    """What all partitions have in common: ``folder`` holds the spool, ``identity`` begins command ids."""

    settings: Settings
    folder: str
    identity: str


class Share(Struct, frozen=True):
    """What one partition gets; ``in_memory``: all that is known of it has room there, which is quicker."""

    partition: int
    in_memory: bool


class Counts(Struct):
    """Rows by what became of them; ``known`` ones stood in the inventory as the row says."""

    added: int = 0
    known: int = 0
    refused: int = 0

    @property
    def all(self) -> int:
        """All rows that were dealt with."""
        return self.added + self.known + self.refused

    def add(self, other: "Counts") -> None:
        """Count the rows of ``other`` too."""
        self.added += other.added
        self.known += other.known
        self.refused += other.refused


def append_share(task: Task, share: Share, stopping: Callable[[], bool]) -> Iterator[Counts]:
    """Append a partition's rows; the counts of each transaction.

    Raises Stopped when Kafka is away, when an outcome stays unknown, and between two transactions when
    ``stopping`` says so.
    """
    settings, folder = task.settings, Path(task.folder)
    try:
        writer = _writer(settings, share)
    except KafkaException as error:
        raise Stopped(error.args[0].str(), False) from error
    try:
        for batch in commands(folder, share.partition):
            if stopping():
                raise Stopped("interrupted", True)
            outcomes = writer.execute([_submitted(task.identity, row) for row in batch], settings.deadline)
            counts, refused = _counted(batch, outcomes)
            if refused:
                refuse_later(folder, share.partition, refused)
            yield counts
            writer.rest()
    finally:
        writer.close()


def _writer(settings: Settings, share: Share) -> Writer:
    snapshot = None if share.in_memory else snapshot_of(settings, share.partition, binding(settings))
    return writer_of(settings, share.partition, snapshot)


def _submitted(identity: str, row: Spooled) -> Submitted:
    return submit(f"import-{identity}-{row.number}", row.command)


def _counted(batch: list[Spooled], outcomes: list[Outcome]) -> tuple[Counts, list[Refusal]]:
    """What became of the rows. Raises Stopped for an unknown outcome."""
    counts, refused = Counts(), list[Refusal]()
    for row, outcome in zip(batch, outcomes, strict=True):
        match outcome:
            case Accepted():
                if outcome.replayed or not outcome.receipt.events:
                    counts.known += 1
                else:
                    counts.added += 1
            case OutcomeUnknown():
                raise Stopped(outcome.reason, outcome.sent)
            case Refused():
                refused.append((row.number, outcome.rejection.message))
            case Reused():
                refused.append((row.number, f"another command has the id {outcome.command_id}"))
            case Unwritable():
                refused.append((row.number, outcome.reason))
            case _:
                assert_never(outcome)
    counts.refused = len(refused)
    return counts, refused
