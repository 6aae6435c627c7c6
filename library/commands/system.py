"""``library up``, ``down`` and ``status``."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, loaded, setting_flags, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings

STOP_PATIENCE = 90.0
"""Seconds; longer than the parts' own patience, one after the other."""


@click.command()
@setting_flags(
    "data_dir",
    "port",
    "kafka_port",
    "gateway_port",
    "host",
    "kafka",
    "name",
    "partitions",
    "workers",
    "durability",
    "log_level",
)
@click.option("--detach", "-d", is_flag=True, help="Return when the system is ready; it goes on behind.")
@click.option("--tell", type=int, hidden=True)
def up(detach: bool, tell: int | None, **flags: Any) -> int:
    """Start the whole system on this machine.

    That is Kafka, the projector, the query API and the gateway. What it keeps is under --data-dir; started
    there again, everything is still there. With --kafka it uses a Kafka that runs elsewhere instead of its
    own.
    """
    from library.system.members import located
    from library.system.startup import Telling, open_behind, open_here
    from library.system.welcome import welcome

    begun = time.monotonic()
    found = loaded(flags, running=False)
    embedded = "kafka" not in found.sources
    settings = located(found.settings, Path.cwd(), embedded)
    if settings.durability == "os" and embedded and not tell:
        _say("With --durability os a power cut loses the last changes, though they were acknowledged.")

    def on_ready() -> None:
        _say(f"ready after {time.monotonic() - begun:.1f} s\n")
        click.echo(welcome(settings, Path.cwd(), detach))
        sys.stdout.flush()

    if tell is not None:
        telling = Telling(tell)
        try:
            open_here(settings, embedded, telling.say, telling.ready)
        except CommandError as error:
            telling.failed(error)
            return error.exit_code
    elif detach:
        open_behind(flags, settings, _say)
        on_ready()
    else:
        open_here(settings, embedded, _say, on_ready)
    return exits.DONE


@click.command()
@with_settings("data_dir")
def down(settings: "Settings") -> None:
    """Stop it; what it keeps stays."""
    from library.system.control import NotRunning, connected
    from library.system.run_file import lives, ran

    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir) as control:
            supervisor = ran("supervisor", control.ask("stop")["pid"])
    except NotRunning as error:
        raise _no_system(data_dir) from error
    give_up = time.monotonic() + STOP_PATIENCE
    while supervisor and lives(supervisor):
        if time.monotonic() > give_up:
            logs = data_dir / "logs"
            raise CommandError(exits.FAILED, f"process {supervisor.pid} does not stop the system; see {logs}")
        time.sleep(0.02)


@click.command()
@with_settings("data_dir")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def status(settings: "Settings", as_json: bool) -> int:
    """Show its processes and the table's lag.

    Lag is the number of records that the table is behind the event store; held titles are those with an
    event that can't be applied. Ends with 1 when a process was given up, with 69 when no system runs.
    """
    from foundation.cli.tables import print_rows
    from library.store.offsets import table_lag
    from library.system.control import NotRunning, connected
    from library.system.readiness import held_titles

    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir) as control:
            answer = control.ask("status")
    except NotRunning as error:
        raise _no_system(data_dir) from error
    lag, held = (table_lag(settings), held_titles(settings.api)) if answer["ready"] else (None, None)
    if as_json:
        click.echo(json.dumps({**answer, "lag": lag, "held": held}))
    else:
        print_rows(["name", "state", "pid", "restarts", "last_error"], answer["processes"])
        click.echo(f"lag {_number(lag)}, held titles {_number(held)}", err=True)
    failed = any(process["state"] == "failed" for process in answer["processes"])
    return exits.FAILED if failed else exits.DONE


def _number(known: int | None) -> str:
    return "unknown" if known is None else f"{known:,}"


def _no_system(data_dir: Path) -> CommandError:
    return CommandError(
        exits.UNAVAILABLE,
        f"no system runs in {data_dir.absolute()}: `library up` starts one, --data-dir names another place",
    )


def _say(text: str) -> None:
    click.echo(text, err=True)
