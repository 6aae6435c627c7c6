"""``library audit``, and ``python -m audit``: the audit as a process, or once."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from audit.session import Session
    from foundation.settings import Settings


NICENESS = 10


@click.command()
@click.option("--once", is_flag=True, help="Compare every row once, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --once: JSON lines.")
@with_settings("kafka", "name", "partitions", "data_dir", "deadline", "host", "log_level")
def audit(settings: "Settings", once: bool, as_json: bool) -> int:
    """Fold all events, and compare each row of the table that counts with the result, until SIGTERM.

    `library up` runs it as a process of the system. With --once compare every row once, print the
    differences, and end with 4 if there are any.
    """
    if as_json and not once:
        raise CommandError(exits.MALFORMED, "--json is for --once; the log of the process is JSON anyway")
    return _once(settings, as_json) if once else _run(settings)


def _run(settings: "Settings") -> int:
    """Audit until SIGTERM or SIGINT; return the exit code."""
    import gc
    import os
    import signal
    import sqlite3
    from threading import Event

    from audit.auditor import Auditor
    from audit.endpoint import Endpoint
    from foundation.http.server import PortTaken
    from foundation.logs import log_as

    log_as("audit", settings.log_level)
    # Everything else on the machine goes first
    os.nice(NICENESS)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        auditor = Auditor(settings, Path(settings.data_dir) / "audit")
        endpoint = Endpoint(settings, lambda: auditor.report) if settings.audit_port else None
        gc.collect()
        gc.freeze()
        try:
            auditor.run(stop)
        finally:
            if endpoint is not None:
                endpoint.close()
    except PortTaken as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise CommandError(exits.FAILED, f"the titles can't be kept on disk: {error}") from error
    return exits.DONE


def _once(settings: "Settings", as_json: bool) -> int:
    """Audit every row once, print what differs, and return the exit code."""
    import sqlite3

    from confluent_kafka import KafkaException

    from audit.once import Behind, OtherStore, compare_once
    from audit.session import Session, subject_of
    from eventstore.subscription import OffsetsGone
    from eventstore.topics import WrongTopic
    from foundation.cli.progress import Progress
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable

    try:
        with TemporaryDirectory(prefix="library-audit-") as folder:
            subject = subject_of(settings)
            with Session(settings, subject, Path(folder), group=None) as session:
                with Progress("auditing", session.count_events(), "records") as progress:
                    compare_once(session, progress.show)
                return _print(session, as_json)
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    except Behind as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (WrongTopic, OtherStore, OffsetsGone) as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise CommandError(exits.FAILED, f"the titles can't be kept on disk: {error}") from error


def _print(session: "Session", as_json: bool) -> int:
    import msgspec

    from eventstore.positions import format_positions
    from foundation.cli.tables import print_rows

    details = session.details()
    partitions = session.partitions.values()
    rows, wrong = sum(one.compared for one in partitions), sum(one.differing for one in partitions)
    position = format_positions({one.number: one.next - 1 for one in partitions})
    if as_json:
        summary = {"rows": rows, "differences": wrong, "shown": len(details), "position": position}
        print_rows([], [*msgspec.to_builtins(details), summary], as_json)
    elif wrong:
        lines = [
            {"isbn": one.isbn, "event": one.event, "record": one.record, "difference": one.summary}
            for one in details
        ]
        print_rows(["isbn", "event", "record", "difference"], lines)
        more = "" if wrong == len(details) else f", {len(details):,} of them shown"
        click.echo(f"{wrong:,} of {rows:,} rows differ from their events{more}, at {position}", err=True)
    else:
        at = f", at {position}" if position else ""
        click.echo(f"{rows:,} rows match their events{at}", err=True)
    sys.stdout.flush()
    return exits.NOT_FOUND if wrong else exits.DONE
