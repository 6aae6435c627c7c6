"""The result of an import: counts that must add up, rejected rows, and notices."""

import json
from itertools import islice
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from foundation.cli import exits
from foundation.cli.app import CommandError
from producer.imports.appending import Counts
from producer.imports.files import BadFile, Catalogue
from producer.imports.rejects import write_rejects
from producer.imports.spool import Spool, all_rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_ROWS = 5
"""Rejected rows, and notices, that are shown on stderr."""


class Result(Struct):
    """Rows by outcome. A dry run has no ``counts``. ``offsets`` of the last receipts, by partition."""

    rows: int
    blank: int
    checked: int = 0
    rejected: int = 0
    counts: Counts | None = None
    offsets: dict[int, int] = {}
    notices: list[str] = []
    noticed: int = 0
    seconds: float = 0.0

    def notice(self, sentence: str) -> None:
        """Keep one of the first sentences, and count all."""
        self.noticed += 1
        if self.noticed <= SHOWN_ROWS:
            self.notices.append(sentence)

    @property
    def accounted(self) -> int:
        """Rows whose fate is known: it must be the rows of the file."""
        settled = self.checked if self.counts is None else self.counts.added + self.counts.unchanged
        return settled + self.rejected + self.blank


def report(result: Result, spool: Spool, catalogue: Catalogue, rejects: int | None, as_json: bool) -> None:
    """Count and write the rejected rows, and print the result.

    Raises CommandError if rows are unaccounted for, or if the rejects or the result can't be written.
    """
    result.rejected = sum(1 for _ in all_rejected(spool.folder))
    failure = None if rejects is None else _write_rejects(rejects, catalogue, spool, result.counts is None)
    try:
        click.echo(_json(result) if as_json else _sentence(result))
    except OSError as error:
        done = "no event was written, and" if result.counts is None else "the import is done, but"
        raise CommandError(
            exits.FAILED,
            f"{done} the result can't be printed ({error.strerror}); running it again prints it, and changes "
            "nothing",
        ) from error
    _print_notices(result)
    if result.rejected and rejects is None:
        _print_reasons(all_rejected(spool.folder))
    if failure is not None:
        raise failure
    if result.accounted != result.rows:
        raise CommandError(
            exits.FAILED,
            f"{result.rows:,} rows were read, but {result.accounted:,} are accounted for: this is a bug",
        )


def _write_rejects(descriptor: int, catalogue: Catalogue, spool: Spool, dry_run: bool) -> CommandError | None:
    try:
        write_rejects(descriptor, catalogue, all_rejected(spool.folder))
    except (OSError, BadFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        others = (
            "no event was written"
            if dry_run
            else "the others are imported. Run the same import again: it repeats nothing, and writes the "
            "rejected rows"
        )
        return CommandError(exits.FAILED, f"the rejected rows can't be written ({reason}); {others}")
    return None


def _json(result: Result) -> str:
    counts = result.counts
    settled = (
        {"checked": result.checked}
        if counts is None
        else {"added": counts.added, "unchanged": counts.unchanged}
    )
    others = {"rejected": result.rejected, "blank": result.blank, "rows": result.rows}
    return json.dumps({**settled, **others, "seconds": round(result.seconds, 3)})


def _sentence(result: Result) -> str:
    of_rows = f"of {result.rows:,} rows"
    rest = f"{result.rejected:,} rejected, {result.blank:,} blank, {of_rows}"
    counts = result.counts
    if counts is None:
        return f"{result.checked:,} can be imported, {rest}; no event was written"
    rate = result.rows / result.seconds
    return (
        f"{counts.added:,} added, {counts.unchanged:,} unchanged, {rest} in {result.seconds:.1f} s "
        f"({rate:,.0f} rows/s)"
    )


def _print_notices(result: Result) -> None:
    for sentence in result.notices:
        click.echo(sentence, err=True)
    if more := result.noticed - len(result.notices):
        click.echo(f"{more:,} more lines are counted as copies of a title with other details", err=True)


def _print_reasons(rejected: "Iterator[tuple[int, str]]") -> None:
    for line, reason in islice(rejected, SHOWN_ROWS):
        click.echo(f"line {line}: {reason}", err=True)
    click.echo("--rejects FILE writes all rejected rows to a file, with the reasons", err=True)
