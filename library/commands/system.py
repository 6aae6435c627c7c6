"""``library up``, ``down`` and ``status``."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, loaded, setting_flags, with_settings
from foundation.cli.numbers import Integer
from library.commands.topics import names_option

if TYPE_CHECKING:
    from foundation.settings import Settings

STOP_TIMEOUT_S = 90.0
"""Longer than the sum of the members' own stop time-outs."""
ANSWER_TIMEOUT_S = 10.0
"""In which the supervisor answers: it does nothing that takes longer."""


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
    "gateways",
    "workers",
    "notary",
    "origin",
    "publish",
    "durability",
    "log_level",
)
@click.option("--detach", "-d", is_flag=True, help="Run in the background; return when the system is ready.")
@names_option
@click.option("--report-to", type=Integer(), hidden=True)
def up(detach: bool, names: bool | None, report_to: int | None, **flags: Any) -> int:
    """Start the whole system on this machine.

    The system is Kafka, the projector, the query API, the gateway and the audit. It keeps its data in
    --data-dir, and a later start in the same directory continues with it. With --kafka it uses a Kafka that
    runs elsewhere, with --notary it also has a notary.
    """
    import msgspec

    from library.system.members import resolved
    from library.system.requirements import (
        check_counts,
        check_data_dir,
        check_ports,
        free_audit_port,
        free_metrics_port,
    )
    from library.system.startup import StartReport, run_in_foreground, start_in_background
    from library.system.welcome import welcome

    started_at = time.monotonic()
    loading = loaded(flags, running=False)
    embedded = "kafka" not in loading.sources
    check_data_dir(loading.settings.data_dir, Path.cwd(), embedded)
    check_counts(loading.settings)
    check_ports(loading.settings, embedded)
    chosen = loading.settings
    if "metrics_port" not in loading.sources:
        # Passed on to the process in the background, which must not choose another one
        flags["metrics_port"] = free_metrics_port(chosen, embedded)
        chosen = msgspec.structs.replace(chosen, metrics_port=flags["metrics_port"])
    if "audit_port" not in loading.sources:
        flags["audit_port"] = free_audit_port(chosen, embedded)
        chosen = msgspec.structs.replace(chosen, audit_port=flags["audit_port"])
    settings = resolved(chosen, Path.cwd(), embedded)
    if settings.durability == "os" and embedded and not report_to:
        _print("With --durability os a power cut can lose the last changes, although they were acknowledged.")

    def welcomed() -> bool:
        """Print that the system is ready, and its addresses; whether that was possible."""
        _print(f"ready after {time.monotonic() - started_at:.1f} s\n")
        try:
            click.echo(welcome(settings, Path.cwd(), detach))
            sys.stdout.flush()
        except OSError as error:
            _print(f"The system runs, but standard output can't be written: {error.strerror}")
            return False
        return True

    if report_to is not None:
        report = StartReport(report_to)
        try:
            run_in_foreground(settings, embedded, report.print_line, report.ready, names)
        except CommandError as error:
            report.failed(error)
            return error.exit_code
    elif detach:
        start_in_background(flags, settings, _print, names)
        return exits.DONE if welcomed() else exits.FAILED
    else:
        run_in_foreground(settings, embedded, _print, welcomed, names)
    return exits.DONE


@click.command()
@with_settings("data_dir", addresses=False)
def down(settings: "Settings") -> None:
    """Stop the system; its data stays."""
    from library.system.control import NotAnswering, NotRunning, connected
    from library.system.run_file import is_alive, process_record

    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir, ANSWER_TIMEOUT_S) as control:
            supervisor = process_record("supervisor", control.request("stop")["pid"])
    except NotAnswering as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except NotRunning as error:
        raise _no_system(data_dir) from error
    give_up_at = time.monotonic() + STOP_TIMEOUT_S
    while supervisor and is_alive(supervisor):
        if time.monotonic() > give_up_at:
            logs = data_dir / "logs"
            raise CommandError(exits.FAILED, f"process {supervisor.pid} does not stop the system; see {logs}")
        time.sleep(0.02)


@click.command()
@with_settings("data_dir")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def status(settings: "Settings", as_json: bool) -> int:
    """Show the processes of the system and the table's lag.

    Lag is the number of records that the table is behind the event store. Held titles have an event that
    can't be applied. Ends with 1 if a process has failed or is
    failing, with 69 if no system runs.
    """
    from foundation.cli.tables import print_rows
    from library.store.offsets import table_lag
    from library.system.control import NotAnswering, NotRunning, connected
    from library.system.readiness import held_count

    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir, ANSWER_TIMEOUT_S) as control:
            reply = control.request("status")
    except NotAnswering as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except NotRunning as error:
        raise _no_system(data_dir) from error
    lag, held = (table_lag(settings), held_count(settings.api)) if reply["ready"] else (None, None)
    if as_json:
        click.echo(json.dumps({**reply, "lag": lag, "held": held}))
    else:
        print_rows(["name", "state", "pid", "restarts", "last_error"], reply["processes"])
        click.echo(f"lag {_number(lag)}, held titles {_number(held)}", err=True)
    failed = any(process["state"] in ("failed", "failing") for process in reply["processes"])
    return exits.FAILED if failed else exits.DONE


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _no_system(data_dir: Path) -> CommandError:
    return CommandError(
        exits.UNAVAILABLE,
        f"no system runs in {data_dir.absolute()}: `library up` starts one, --data-dir names another one",
    )


def _print(text: str) -> None:
    click.echo(text, err=True)
