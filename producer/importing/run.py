"""An import: read the whole file first, then append it partition by partition."""

from collections.abc import Callable
from typing import assert_never

from msgspec import Struct

from inventory.texts import Malformed
from producer.importing.columns import Columns
from producer.importing.files import Catalogue, Unreadable, rows
from producer.importing.spool import Spool, Spooled
from producer.outcomes import (
    Accepted,
    Outcome,
    OutcomeUnknown,
    Refused,
    Reused,
    Submitted,
    Unwritable,
    submit,
)
from producer.writer import Writer
from schemas.partitions import partition_of
from schemas.settings import Settings

AT_ONCE = 1_000
"""Commands of a transaction: large enough that its commit does not count, small enough for a quick retry."""


class Stopped(Exception):
    """The import did not come to its end; running it again completes it, and does nothing twice.

    ``done`` rows were dealt with; ``begun``: something may have been written.
    """

    def __init__(self, reason: str, done: int, begun: bool) -> None:
        super().__init__(reason)
        self.done, self.begun = done, begun


class Counts(Struct):
    """Rows by what became of them; ``known`` stood in the inventory as the row says."""

    added: int = 0
    known: int = 0
    refused: int = 0

    @property
    def all(self) -> int:
        """All rows that were dealt with."""
        return self.added + self.known + self.refused


def read_into(
    spool: Spool, catalogue: Catalogue, columns: Columns, partitions: int, progress: Callable[[int], None]
) -> None:
    """Check every row and keep it for its partition, or why it is refused; ``progress`` is told bytes.

    Raises BadFile.
    """
    for number, row in rows(catalogue, progress):
        if isinstance(row, Unreadable):
            spool.refuse(number, row.why)
            continue
        try:
            command = columns.command(row)
        except Malformed as error:
            spool.refuse(number, str(error))
        else:
            spool.put(partition_of(command.isbn, partitions), number, command)


def append(spool: Spool, identity: str, settings: Settings, progress: Callable[[int], None]) -> Counts:
    """Append what was read; command ids come from ``identity`` and the row. ``progress`` is told rows.

    Raises Stopped when Kafka can't be reached, or an outcome stays unknown.
    """
    counts = Counts()
    for partition, commands in enumerate(spool.counts):
        if not commands:
            continue
        writer = Writer(settings, partition)
        try:
            for batch in spool.commands(partition, AT_ONCE):
                outcomes = writer.execute([_submitted(identity, row) for row in batch], settings.deadline)
                for row, outcome in zip(batch, outcomes, strict=True):
                    _count(counts, spool, row, outcome)
                progress(counts.all)
        finally:
            writer.close()
    return counts


def _submitted(identity: str, row: Spooled) -> Submitted:
    return submit(f"import-{identity}-{row.number}", row.command)


def _count(counts: Counts, spool: Spool, row: Spooled, outcome: Outcome) -> None:
    match outcome:
        case Accepted():
            if outcome.replayed or not outcome.receipt.events:
                counts.known += 1
            else:
                counts.added += 1
            return
        case OutcomeUnknown():
            raise Stopped(outcome.reason, counts.all, bool(counts.all) or outcome.sent)
        case Refused():
            reason = outcome.rejection.message
        case Reused():
            reason = f"another command has the id {outcome.command_id}"
        case Unwritable():
            reason = outcome.reason
        case _:
            assert_never(outcome)
    counts.refused += 1
    spool.refuse(row.number, reason)
