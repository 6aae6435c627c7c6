"""The projector sent back to earlier events: stopped, its group moved, started, followed to the end."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventstore.topics import events_topic, projector_group
from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.cli.progress import Progress
from library.store.groups import move, wait_until_empty
from library.store.offsets import Offsets, beginning, committed, end
from library.system.control import Control, NotRunning, Refused, connected

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings

SESSION = 30.0
"""Seconds that a stopped worker may stay a member of its group."""
LOOK_EVERY = 0.2


def projector_from(admin: "AdminClient", settings: "Settings", to: Offsets) -> bool:
    """Have the projector read again from ``to``; whether one runs here, and has come to the end again.

    Where none runs, it begins there when it is started. Raises GroupActive for one that runs elsewhere,
    KafkaException, and CommandError for a supervisor that refuses or a projector that was given up.
    """
    group, topic = projector_group(settings), events_topic(settings)
    try:
        with connected(Path(settings.data_dir)) as control:
            control.ask("pause")
            wait_until_empty(admin, group, SESSION)
            move(admin, topic, group, to)
            control.ask("resume")
            _follow(admin, settings, control)
        return True
    except NotRunning:
        wait_until_empty(admin, group, 0)
        move(admin, topic, group, to)
        return False
    except Refused as error:
        raise CommandError(exits.FAILED, str(error)) from error


def _follow(admin: "AdminClient", settings: "Settings", control: Control) -> None:
    """Show how far the projector has come, until it is where the events ended when this began.

    Not until it is at the end: while somebody writes all the time, that is never seen.
    """
    topic, group = events_topic(settings), projector_group(settings)
    first, goal = beginning(admin, topic), end(admin, topic)

    def left() -> int:
        place = committed(admin, topic, group)
        return sum(max(0, goal[p] - max(place.get(p, 0), first[p])) for p in goal)

    began, total = time.monotonic(), left()
    with Progress("replaying", total, "records") as progress:
        while rest := left():
            for process in control.ask("status")["processes"]:
                if process["name"].startswith("projector") and process["state"] == "failed":
                    why = f"{process['last_error']} (its log: {process['log']})"
                    raise CommandError(exits.FAILED, f"{process['name']} was given up: {why}")
            progress.show(max(0, total - rest))
            time.sleep(LOOK_EVERY)
    seconds = time.monotonic() - began
    click.echo(f"replayed {total:,} records in {seconds:.1f} s ({total / seconds:,.0f}/s)", err=True)
