"""``import FILE``: imports a catalogue."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings
    from producer.imports.appending import Counts
    from producer.imports.files import Catalogue, Format
    from producer.imports.repeats import Repeated
    from producer.imports.report import Result
    from producer.imports.spool import Spool
    from producer.imports.workers import Workers


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl"]), help="If its name does not show it."
)
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="The column of a field.")
@click.option("--set", "constant", multiple=True, metavar="FIELD=VALUE", help="One value for all rows.")
@click.option("--delimiter", metavar="CHARACTER", help="Between CSV cells; by default the header shows it.")
@click.option("--encoding", default="utf-8", metavar="NAME", help="The file's encoding; utf-8.")
@click.option(
    "--repeated",
    type=click.Choice(["reject", "add"]),
    default="reject",
    help="Rows with the ISBN of an earlier row: reject them, or add their copies.",
)
@click.option(
    "--rejects", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="For rejected rows."
)
@click.option("--dry-run", is_flag=True, help="Check the file and write no event.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@click.option("--wait", is_flag=True, help="Return when the query API shows the titles.")
@with_settings("actor", "kafka", "name", "api", "data_dir", "deadline")
def import_(
    settings: "Settings",
    file: Path,
    format_: "Format | None",
    mapped: tuple[str, ...],
    constant: tuple[str, ...],
    delimiter: str | None,
    encoding: str,
    repeated: "Repeated",
    rejects: Path | None,
    dry_run: bool,
    as_json: bool,
    wait: bool,
) -> int:
    """Add the titles of a catalogue: CSV with a header, or JSON lines. FILE - is standard input.

    FIELD is isbn, title, author or quantity; --map author=Writer reads the author from the column Writer,
    --set quantity=4 gives every title four copies. Rows that can't be added are written to --rejects as they
    are, with the reason, to be corrected and imported; the exit code is then 65.

    Importing a file twice changes nothing, and an import that was stopped is completed by running it again.
    """
    from eventstore.state.outcomes import checked_actor
    from foundation.text import Malformed
    from producer.imports.columns import FIELDS, SETTABLE, BadOption, assignments, require_constants
    from producer.imports.files import BadFile, Layout, open_catalogue
    from producer.imports.rejects import open_rejects
    from producer.imports.report import report
    from producer.imports.source import regular_file
    from producer.imports.spool import Spool
    from producer.writers import signer_of

    # A key that can't be used shall end the command, not a worker
    signer_of(settings, 0)
    try:
        checked_actor(settings.actor)
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    began = time.monotonic()
    try:
        with TemporaryDirectory(prefix="library-import-") as folder:
            maps, constants = assignments("--map", mapped, FIELDS), assignments("--set", constant, SETTABLE)
            require_constants(constants, maps)
            layout = Layout(format_, encoding, _character(delimiter), maps, constants)
            _require_other_file(rejects, file)
            catalogue = open_catalogue(regular_file(file, Path(folder)), layout)
            ends = None if dry_run else _log_ends(settings)
            # Before the first event: after the last it would be too late to find out that it can't be written
            descriptor = None if rejects is None else open_rejects(rejects)
            spool = Spool(Path(folder), settings.partitions)
            result = _import(spool, catalogue, repeated, settings, ends)
            result.seconds = time.monotonic() - began
            report(result, spool, catalogue, descriptor, as_json)
    except BadOption as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    except BadFile as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error
    except OSError as error:
        raise CommandError(exits.FAILED, f"{error.filename or file}: {error.strerror or error}") from error
    if wait and result.offsets:
        _wait(settings, result.offsets)
    return exits.BAD_DATA if result.rejected else exits.DONE


def _require_other_file(rejects: Path | None, file: Path) -> None:
    """Raises BadOption for a rejects file that can't be one, or that would overwrite the catalogue."""
    from producer.imports.columns import BadOption
    from producer.imports.source import STANDARD_INPUT, is_same_file

    if rejects is None:
        return
    if rejects in (Path(), STANDARD_INPUT):
        raise BadOption("--rejects needs the name of a file; /dev/stdout is standard output")
    if is_same_file(file, rejects):
        raise BadOption(f"--rejects would overwrite {file}: name another file")


def _import(
    spool: "Spool", catalogue: "Catalogue", repeated: "Repeated", settings: "Settings", ends: list[int] | None
) -> "Result":
    """Read and check the whole file, then append its rows unless ``ends`` is None.

    Raises BadFile, OSError and CommandError.
    """
    from foundation.cli.progress import Progress
    from producer.imports.files import identity
    from producer.imports.repeats import settle_repeats
    from producer.imports.report import Result
    from producer.imports.run import processes_for, read_into
    from producer.imports.workers import Workers

    # The workers start while the file is read
    with Workers(0 if ends is None else processes_for(catalogue)) as workers:
        command_ids = identity(catalogue, repeated)
        with Progress("reading", catalogue.size_bytes, "bytes") as progress:
            read = read_into(spool, catalogue, settings.partitions, progress.show)
        result = Result(read.all, read.blank)
        settle_repeats(spool, repeated, result.notice)
        result.checked = sum(spool.counts)
        if ends is not None:
            result.counts, result.offsets = _append(spool, command_ids, settings, ends, workers)
    return result


def _log_ends(settings: "Settings") -> list[int]:
    """The event store's end: shows whether Kafka can be used before a long file is read."""
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
    spool: "Spool", command_ids: str, settings: "Settings", ends: list[int], workers: "Workers"
) -> tuple["Counts", dict[int, int]]:
    from foundation.cli.progress import Progress
    from producer.imports.appending import Stopped
    from producer.imports.run import append

    again = "run the same import again: it continues, and repeats nothing"
    done, total = 0, sum(spool.counts)

    def show(rows: int) -> None:
        nonlocal done
        done = rows
        progress.show(rows)

    try:
        with Progress("importing", total, "rows") as progress:
            return append(spool, command_ids, settings, ends, workers, show)
    except Stopped as error:
        code = exits.UNKNOWN if done or error.begun else exits.UNAVAILABLE
        raise CommandError(code, f"stopped after {done:,} of {total:,} rows ({error}); {again}") from error
    except KeyboardInterrupt:
        click.echo(f"stopped after {done:,} of {total:,} rows; {again}", err=True)
        raise


def _wait(settings: "Settings", offsets: dict[int, int]) -> None:
    from eventstore.positions import format_positions
    from producer.commands.submission import wait_until_visible

    wait_until_visible(settings, ("inventory",), format_positions(offsets))


def _character(text: str | None) -> str | None:
    if text in ("\\t", "tab"):
        return "\t"
    if text is None or (len(text) == 1 and text not in '"\r\n'):
        return text
    raise CommandError(exits.MALFORMED, f"--delimiter is one character but a quote, or tab, not {text!r}")
