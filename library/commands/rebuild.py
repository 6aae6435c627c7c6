"""``library rebuild``: compute the inventory table anew beside the live one, compare, switch, drop."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.numbers import IntegerRange

if TYPE_CHECKING:
    from foundation.settings import Settings
    from library.tables.difference import RowDifference
    from schemas.tables import Tables

START = "`library rebuild start` begins one"


@click.group()
def rebuild() -> None:
    """Compute the inventory table anew, beside the live one.

    start computes a second table from the first event, with the installed program's rules; reads and writes
    do not wait for it. diff compares both tables. switch lets query APIs answer from the new one, rollback
    from the old one again, drop frees the one that is not used.
    """


@rebuild.command()
@click.option(
    "--workers",
    type=IntegerRange(1, 64),
    help="Projector processes of the second table; by default as many as the live one has.",
)
@with_settings("kafka", "name", "partitions", "replication", "data_dir", "deadline")
def start(settings: "Settings", workers: int | None) -> None:
    """Begin to compute a second table from the first event.

    The system on this machine runs its workers until `library rebuild drop`. Where none runs, start them as
    the command says. Repeat the command if it was interrupted.
    """
    from library.system.members import is_worker_of
    from library.system.requirements import check_count
    from library.tables import lifecycle
    from schemas.tables import inventory_table

    check_count("--workers", workers or 0, settings.partitions)
    with _errors(settings):
        tables, processes = lifecycle.start(settings, workers or 0)
    number = tables.rebuilt
    if processes is None:
        click.echo(
            f"table {number} exists. No system runs in {settings.data_dir}: start workers with "
            f"`python -m projector --table {number} --index N`, or `docker compose --profile rebuild up -d "
            "rebuild`",
            err=True,
        )
        return
    group = inventory_table(number).group
    names = ", ".join(process["name"] for process in processes if is_worker_of(group, process["name"]))
    click.echo(f"table {number} is computed by {names}; `library rebuild status` shows it", err=True)


@rebuild.command()
@click.option("--json", "as_json", is_flag=True, help="JSON lines, one for each table.")
@with_settings("kafka", "name", "partitions", "api", "data_dir", "deadline")
def status(settings: "Settings", as_json: bool) -> None:
    """Show the tables: which one counts, progress, rate, time left, and lag in seconds.

    `done` and `lag` count records of the event store. The rate is the mean since the start of the rebuild.
    """
    import msgspec

    from foundation.cli.tables import print_rows
    from library.tables.lifecycle import answering_table
    from library.tables.progress import progress_of

    with _errors(settings):
        tables = _tables(settings)
        found = progress_of(settings, tables)
    rows: list[dict[str, Any]] = msgspec.to_builtins(found)
    if not as_json:
        rows = [row | {"done": f"{row['done']:,} of {row['total']:,}"} for row in rows]
        rows = [row | {name: _rounded(row[name]) for name in _ROUNDED} for row in rows]
    print_rows(_COLUMNS, rows, as_json)
    answering = answering_table(settings)
    if answering is None:
        click.echo(f"the query API at {settings.api} does not say from which table it answers", err=True)
    else:
        click.echo(f"the query API at {settings.api} answers from table {answering}", err=True)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


_ROUNDED = ("per_second", "seconds_left", "lag_seconds")
_COLUMNS = ["table", "role", "workers", "done", "per_second", "seconds_left", "lag", "lag_seconds"]


@rebuild.command()
@click.option("--sample", type=IntegerRange(1), metavar="N", help="Compare about N titles, not all.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: the differences, then a summary.")
@with_settings("kafka", "name", "partitions", "data_dir", "deadline")
def diff(settings: "Settings", sample: int | None, as_json: bool) -> int:
    """Compare both tables row by row, while the system runs.

    Each partition is compared at one position, and its differences are printed at once: the fields that
    differ. Ends with 4 if there are any.
    """
    import msgspec

    from eventstore.positions import format_positions
    from eventstore.topics import events_topic
    from foundation.cli.progress import Progress
    from library.store.offsets import settled_end
    from library.tables.difference import compare_tables
    from schemas.tables import inventory_table

    position, titles, wrong, moving = dict[int, int](), 0, 0, list[str]()
    with _errors(settings):
        tables = _second(settings)
        ends = settled_end(settings, events_topic(settings), settings.deadline)
        one, other = inventory_table(tables.current), inventory_table(tables.other)
        with Progress("comparing", sum(ends.values()), "records") as progress:
            for compared in compare_tables(settings, one, other, ends, sample, progress.show):
                for difference in compared.differences:
                    click.echo(_line(difference, as_json))
                position[compared.partition] = compared.following - 1
                titles += compared.titles
                wrong += len(compared.differences)
                moving += compared.moving
    at = format_positions(position)
    if as_json:
        summary = {
            "titles": titles, "differences": wrong, "not_compared": moving, "position": at,
            "current": tables.current, "other": tables.other,
        }  # fmt: skip
        click.echo(msgspec.json.encode(summary).decode())
    else:
        tables_text = f"tables {tables.current} and {tables.other}" + (f", at {at}" if at else "")
        click.echo(f"{wrong:,} of {titles:,} titles differ in {tables_text}", err=True)
        if moving:
            click.echo(f"not compared, because they were written all the time: {', '.join(moving)}", err=True)
    return exits.NOT_FOUND if wrong else exits.DONE


def _line(difference: "RowDifference", as_json: bool) -> str:
    import msgspec

    if as_json:
        members = msgspec.to_builtins(difference) | {"fields": difference.fields}
        return msgspec.json.encode(members).decode()
    return f"{difference.isbn}  {difference.summary}"


@rebuild.command()
@click.option("--force", is_flag=True, help="Also if the table is behind, or held titles differ.")
@with_settings("kafka", "name", "partitions", "api", "data_dir", "deadline")
def switch(settings: "Settings", force: bool) -> None:
    """Let query APIs answer from the new table.

    Each query API reads the new table beside the old one, and changes when it has everything that it has
    shown: no answer waits, and none is older than one before. The old table is kept and still written.
    Refused while the new table is behind, or if other titles are held in it.
    """
    _switch(settings, newest=True, force=force)


@rebuild.command()
@click.option("--force", is_flag=True, help="Also if the table is behind, or held titles differ.")
@with_settings("kafka", "name", "partitions", "api", "data_dir", "deadline")
def rollback(settings: "Settings", force: bool) -> None:
    """Let query APIs answer from the old table again.

    Like `library rebuild switch`, and as quick: query APIs still have what they read from the old table.
    """
    _switch(settings, newest=False, force=force)


def _switch(settings: "Settings", newest: bool, force: bool) -> None:
    from library.tables import lifecycle

    with _errors(settings):
        tables = _second(settings)
        target = tables.numbers[-1] if newest else tables.numbers[0]
        if tables.current == target:
            click.echo(f"table {target} counts already", err=True)
        else:
            reasons = lifecycle.objections(settings, tables, target)
            if reasons and not force:
                raise CommandError(exits.FAILED, f"{'; '.join(reasons)}. --force switches all the same")
            for reason in reasons:
                click.echo(f"overridden: {reason}", err=True)
            lifecycle.switch(settings, target)
            click.echo(f"table {target} counts now", err=True)
        began = time.monotonic()
        found = lifecycle.wait_for_api(settings, target)
    if found is None:
        text = f"the query API at {settings.api} does not answer; it learns the table at its start"
        click.echo(text, err=True)
    elif found != target:
        raise CommandError(
            exits.FAILED,
            f"table {target} counts, but the query API at {settings.api} answers from table {found} after "
            f"{settings.deadline:g} s. It changes by itself when it can; `library rebuild status` shows it",
        )
    else:
        seconds = time.monotonic() - began
        click.echo(f"the query API at {settings.api} answers from it, after {seconds:.1f} s", err=True)


@rebuild.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings("kafka", "name", "api", "data_dir", "deadline")
def drop(settings: "Settings", yes: bool) -> None:
    """Free the table that is not used: its workers, topic, consumer group, and files on this machine.

    After a switch that is the old table, before one the new table. Repeat the command if it was interrupted.
    """
    from library.tables import lifecycle

    with _errors(settings):
        tables = _tables(settings)
        if tables.other and not yes:
            was = "from which answers came before" if tables.other < tables.current else "which was rebuilt"
            _confirm(f"Free table {tables.other}, {was}? Answers come from table {tables.current}")
        removed = lifecycle.drop(settings)
    text = ", ".join(f"table {number}" for number in removed)
    click.echo(f"{text or 'nothing'} was freed; answers come from table {tables.current}", err=True)


def _confirm(question: str) -> None:
    """Ask, and raise click.Abort unless the answer is yes; CommandError where nobody can answer."""
    try:
        click.confirm(question, abort=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise CommandError(exits.FAILED, "nothing was freed: without a terminal, give --yes") from None


def _tables(settings: "Settings") -> "Tables":
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from schemas.tables import read_tables

    return read_tables(AdminClient(client_config(settings)), settings)


def _second(settings: "Settings") -> "Tables":
    """The tables, of which there are two. Raises CommandError if there is one."""
    tables = _tables(settings)
    if not tables.other:
        raise CommandError(exits.NOT_FOUND, f"there is no table beside table {tables.current}: {START}")
    return tables


@contextmanager
def _errors(settings: "Settings") -> Iterator[None]:
    from confluent_kafka import KafkaException

    from eventstore.topics import WrongTopic
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable
    from library.checks.comparison import Behind
    from library.store.groups import GroupActive
    from library.store.offsets import StillOpen
    from library.system.control import NotRunning, RequestRefused
    from library.tables.lifecycle import Refused
    from library.tables.record import NotChanged

    try:
        yield
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    except NotRunning as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except NotChanged as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except (Refused, RequestRefused, GroupActive, Behind, StillOpen) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except WrongTopic as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error
