"""Replay of the projector: stop it, reset its group's offsets, start it, follow it to the end."""

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eventstore.groups import GroupOffsets, lag
from eventstore.topics import events_topic
from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.cli.progress import Progress
from library.store.groups import reset_offsets, wait_until_empty
from library.store.offsets import TIMEOUT_S, Offsets, beginning, end
from library.system.control import Control, NotAnswering, NotRunning, RequestRefused, connected
from library.system.members import is_worker_of
from schemas.tables import current_table

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import Table
    from foundation.settings import Settings

SESSION_S = 30.0
"""A stopped worker may stay a member of its group for this long."""
POLL_INTERVAL_S = 0.2


def replay_projector(admin: "AdminClient", settings: "Settings", to: Offsets) -> bool:
    """Make the projector read again from ``to``; True once the projector of this machine has caught up.

    False: none runs here, and the next one to start begins at ``to``. Raises GroupActive for one that runs
    elsewhere, KafkaException, and CommandError if the supervisor refuses or the projector fails.
    """
    table, topic = current_table(admin, settings), events_topic(settings)
    group = table.group_id(settings)
    try:
        with connected(Path(settings.data_dir)) as control:
            control.request("pause")
            wait_until_empty(settings, group, SESSION_S)
            reset_offsets(settings, topic, group, to)
            control.request("resume")
            _follow(settings, table, control)
        return True
    except NotAnswering as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except NotRunning:
        wait_until_empty(settings, group, 0)
        reset_offsets(settings, topic, group, to)
        return False
    except RequestRefused as error:
        raise CommandError(exits.FAILED, str(error)) from error


def _follow(settings: "Settings", table: "Table", control: Control) -> None:
    """Show progress until the projector reaches the end that the events have now.

    Under constant writes the projector may never be seen at the current end.
    """
    topic = events_topic(settings)
    first, goal = beginning(settings, topic), end(settings, topic)
    with closing(GroupOffsets(settings, topic, table.group_id(settings))) as offsets:

        def left() -> int:
            return sum(lag(offsets.read(TIMEOUT_S), first, goal).values())

        started_at, total = time.monotonic(), left()
        with Progress("replaying", total, "records") as progress:
            while rest := left():
                require_running(table, control.request("status")["processes"])
                progress.show(max(0, total - rest))
                time.sleep(POLL_INTERVAL_S)
    seconds = time.monotonic() - started_at
    click.echo(f"replayed {total:,} records in {seconds:.1f} s ({total / seconds:,.0f}/s)", err=True)


def require_running(table: "Table", processes: list[dict[str, Any]]) -> None:
    """Raises CommandError if a worker of ``table`` has failed. Those of another table do not matter."""
    for process in processes:
        if is_worker_of(table.group, process["name"]) and process["state"] in ("failed", "failing"):
            why = f"{process['last_error']} (its log: {process['log']})"
            raise CommandError(exits.FAILED, f"{process['name']} does not run: {why}")
