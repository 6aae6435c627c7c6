"""``library patron``: borrowers, in a store that keeps their names apart."""

import click

from foundation.cli.app import LazyGroup

COMMANDS = {
    "add": "library.commands.patron_changes:add",
    "forget": "library.commands.patron_changes:forget",
    "keep": "library.commands.patron_changes:keep",
    "show": "library.commands.patron_queries:show",
    "list": "library.commands.patron_queries:list_patrons",
    "pending": "library.commands.patron_queries:pending",
    "proof": "library.commands.patron_proof:proof",
}
"""Where each command is, in the order that ``--help`` lists them."""


@click.command(cls=LazyGroup, commands_at=COMMANDS)
def patron() -> None:
    """Register, show and forget borrowers, and prove that they are forgotten."""
