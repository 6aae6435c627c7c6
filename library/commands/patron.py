"""``library patron``: borrowers, in a store that keeps their names apart."""

import click

from foundation.cli.app import LazyGroup

COMMANDS = {
    "add": "library.commands.patron_changes:add",
    "forget": "library.commands.patron_changes:forget",
    "keep": "library.commands.patron_changes:keep",
}
"""Where each command is, in the order that ``--help`` lists them."""


@click.command(cls=LazyGroup, commands_at=COMMANDS)
def patron() -> None:
    """Register and forget borrowers."""
