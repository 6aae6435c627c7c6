"""``library restart``, ``stop`` and ``start``: one process of the system on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings

TIMEOUT_S = 180.0
"""Longer than the stop of any process and its first start."""


@click.command()
@click.argument("name")
@with_settings("data_dir")
def restart(settings: "Settings", name: str) -> None:
    """Stop the process NAME and start it again.

    NAME is one that `library status` lists. Returns when the process is ready; ends with 1 if its first
    attempt fails, while the supervisor keeps trying.
    """
    _control(settings, "restart", name)


@click.command()
@click.argument("name")
@with_settings("data_dir")
def stop(settings: "Settings", name: str) -> None:
    """Stop the process NAME until `library start NAME`; the others keep running.

    NAME is one that `library status` lists. `library down` stops the whole system.
    """
    _control(settings, "stop", name)


@click.command()
@click.argument("name")
@with_settings("data_dir")
def start(settings: "Settings", name: str) -> None:
    """Start the process NAME, if it was stopped or has failed.

    NAME is one that `library status` lists. Returns when the process is ready; ends with 1 if its first
    attempt fails, while the supervisor keeps trying.
    """
    _control(settings, "start", name)


def _control(settings: "Settings", action: str, name: str) -> None:
    from library.system.control import NotAnswering, NotRunning, RequestRefused, connected

    if not name:
        # As in `library stop "$UNSET"`: to the supervisor a stop of nobody is one of the whole system
        raise CommandError(exits.MALFORMED, "NAME is empty; `library status` lists the processes")
    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir, TIMEOUT_S) as control:
            process = control.request(action, name)
    except NotAnswering as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except NotRunning as error:
        raise CommandError(exits.UNAVAILABLE, f"{error}: `library up` starts one") from error
    except RequestRefused as error:
        raise CommandError(exits.FAILED, str(error)) from error
    expected = "stopped" if action == "stop" else "running"
    if process["state"] != expected:
        raise CommandError(
            exits.FAILED,
            f"{name} is {process['state']}: {process['last_error']} (its log: {process['log']})",
        )
    click.echo(f"{name} is {expected}", err=True)
