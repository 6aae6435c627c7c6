"""``library open``: the page for browsers."""

import os
import sys
import webbrowser
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables of a Unix desktop. Without one, ``webbrowser`` would start a browser inside the terminal."""


@click.command("open")
@with_settings("api", "data_dir", "deadline")
def open_page(settings: "Settings") -> None:
    """Print the address of the page, and open it in a browser if there is one."""
    from foundation.http.client import NoAnswer, Service

    try:
        with Service(settings.api, settings.deadline) as service:
            service.get(("healthz",), {})
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE, f"{error}: `library up` starts a system, --api URL names another one"
        ) from error
    address = f"{settings.api.rstrip('/')}/"
    click.echo(address)
    if not _opened(address):
        click.echo("There is no browser on this machine: open the address in one that reaches it.", err=True)


def _opened(address: str) -> bool:
    if sys.platform not in ("darwin", "win32") and not any(map(os.environ.get, _DISPLAYS)):
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
