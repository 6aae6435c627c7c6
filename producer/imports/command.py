"""``import FILE``: a catalogue on the command line."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings
    from producer.imports.appending import Counts
    from producer.imports.columns import Columns
    from producer.imports.files import Catalogue, Format
    from producer.imports.spool import Refusal, Spool
    from producer.imports.workers import Workers

SHOWN = 5
"""Refused rows whose reasons are shown where no rejects file was asked for."""


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "given", type=click.Choice(["csv", "jsonl"]), help="Else the file's name says it.")
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="Where a field stands.")
@click.option("--set", "constant", multiple=True, metavar="FIELD=VALUE", help="What all rows have.")
@click.option("--delimiter", metavar="CHARACTER", help="Between CSV cells; else the first line shows it.")
@click.option("--encoding", default="utf-8", metavar="NAME", help="Of the file; utf-8.")
@click.option(
    "--rejects", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Refused rows."
)
@click.option("--dry-run", is_flag=True, help="Check the file and write no event.")
@click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON.")
@with_settings("kafka", "name", "data_dir", "deadline")
def import_(
    settings: "Settings",
    file: Path,
    given: "Format | None",
    mapped: tuple[str, ...],
    constant: tuple[str, ...],
    delimiter: str | None,
    encoding: str,
    rejects: Path | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Add the titles of a catalogue: CSV with a header, or JSON lines.

    FIELD is isbn, title, author or quantity; --map author=Writer reads the author from the column Writer,
    --set quantity=4 gives every title four copies. Rows that can't be added go to --rejects as they stood,
    with the reason, to be mended and imported themselves; the exit code is then 65.

    Importing a file twice changes nothing, and an import that was stopped is completed by running it again.
    """
    from producer.imports.columns import BadColumns
    from producer.imports.files import BadFile
    from producer.imports.rejects import write_rejects
    from producer.imports.spool import Spool, all_refused

    if rejects is not None and rejects.exists() and rejects.samefile(file):
        raise CommandError(exits.MALFORMED, f"--rejects would overwrite {file}: name another file")
    began = time.monotonic()
    try:
        catalogue, columns, identity = _opened(file, given, encoding, _character(delimiter), mapped, constant)
        ends = None if dry_run else _log_ends(settings)
        with TemporaryDirectory(prefix="library-import-") as folder:
            spool = Spool(Path(folder), settings.partitions)
            counts = _carried_out(spool, catalogue, columns, identity, settings, ends)
            if rejects is not None:
                write_rejects(rejects, catalogue, all_refused(spool.folder))
            rejected = _report(spool, counts, time.monotonic() - began, as_json)
            if rejected and rejects is None:
                _show_first(all_refused(spool.folder))
            return exits.BAD_DATA if rejected else exits.DONE
    except BadColumns as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    except BadFile as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error
    except OSError as error:
        raise CommandError(exits.FAILED, f"{error.filename or file}: {error.strerror or error}") from error


def _opened(
    file: Path,
    given: "Format | None",
    encoding: str,
    delimiter: str | None,
    mapped: tuple[str, ...],
    constant: tuple[str, ...],
) -> tuple["Catalogue", "Columns", str]:
    """The file, its columns, and what its command ids begin with. Raises BadColumns, BadFile, OSError."""
    from producer.imports.columns import FIELDS, SETTABLE, assignments, csv_columns, json_columns
    from producer.imports.files import identity, open_catalogue

    maps, constants = assignments("--map", mapped, FIELDS), assignments("--set", constant, SETTABLE)
    catalogue = open_catalogue(file, given, encoding, delimiter)
    if catalogue.format == "csv":
        columns = csv_columns(catalogue.header, maps, constants)
    else:
        columns = json_columns(maps, constants)
    return catalogue, columns, identity(catalogue, [maps, constants])


def _carried_out(
    spool: "Spool",
    catalogue: "Catalogue",
    columns: "Columns",
    identity: str,
    settings: "Settings",
    ends: list[int] | None,
) -> "Counts | None":
    """Read the file, and append it, unless there are no ``ends``. Raises BadFile."""
    from foundation.cli.progress import Progress
    from producer.imports.run import processes_for, read_into
    from producer.imports.workers import Workers

    # Started first, they are ready when the file is read
    with Workers(0 if ends is None else processes_for(catalogue)) as workers:
        with Progress("reading", catalogue.size, "bytes") as progress:
            read_into(spool, catalogue, columns, settings.partitions, progress.show)
        return None if ends is None else _append(spool, identity, settings, ends, workers)


def _log_ends(settings: "Settings") -> list[int]:
    """Looks at Kafka before a long file is read."""
    from confluent_kafka import KafkaException

    from eventstore.topics import WrongTopic
    from foundation.cli.unreachable import unreachable
    from producer.imports.run import log_ends

    try:
        return log_ends(settings)
    except WrongTopic as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except KafkaException as error:
        raise unreachable(settings, error) from error


def _append(
    spool: "Spool", identity: str, settings: "Settings", ends: list[int], workers: "Workers"
) -> "Counts":
    from foundation.cli.progress import Progress
    from producer.imports.appending import Stopped
    from producer.imports.run import append

    again = "run the same import again: it goes on, and does nothing twice"
    done, total = 0, sum(spool.counts)

    def show(rows: int) -> None:
        nonlocal done
        done = rows
        progress.show(rows)

    try:
        with Progress("importing", total, "rows") as progress:
            return append(spool, identity, settings, ends, workers, show)
    except Stopped as error:
        code = exits.UNKNOWN if done or error.begun else exits.UNAVAILABLE
        raise CommandError(code, f"stopped after {done:,} of {total:,} rows ({error}); {again}") from error
    except KeyboardInterrupt:
        click.echo(f"stopped after {done:,} of {total:,} rows; {again}", err=True)
        raise


def _report(spool: "Spool", counts: "Counts | None", seconds: float, as_json: bool) -> int:
    """Tell the result on stdout; the number of rejected rows."""
    checked = sum(spool.counts)
    rejected = spool.refused + (counts.refused if counts else 0)
    if as_json:
        import json

        done = {"checked": checked} if counts is None else {"added": counts.added, "unchanged": counts.known}
        click.echo(json.dumps({**done, "rejected": rejected, "seconds": round(seconds, 3)}))
    elif counts is None:
        click.echo(f"{checked:,} rows can be imported, {rejected:,} are rejected; no event was written")
    else:
        click.echo(
            f"{counts.added:,} added, {counts.known:,} unchanged, {rejected:,} rejected in {seconds:.1f} s "
            f"({(checked + spool.refused) / seconds:,.0f} rows/s)"
        )
    return rejected


def _show_first(refused: Iterator["Refusal"]) -> None:
    for number, reason in islice(refused, SHOWN):
        click.echo(f"row {number}: {reason}", err=True)
    click.echo("--rejects FILE writes all rejected rows to a file, with the reasons", err=True)


def _character(text: str | None) -> str | None:
    if text is None or len(text) == 1:
        return text
    if text in ("\\t", "tab"):
        return "\t"
    raise CommandError(exits.MALFORMED, f"--delimiter is one character, or tab, not {text!r}")
