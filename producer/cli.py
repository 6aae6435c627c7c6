"""The program ``python -m producer``: the commands that change the inventory. ``library`` has them, too."""

import click

from foundation.cli.app import LazyGroup

COMMANDS = {
    "add": "producer.commands.titles:add",
    "borrow": "producer.commands.titles:borrow",
    "return": "producer.commands.titles:return_",
    "renew": "producer.commands.titles:renew",
    "remove": "producer.commands.titles:remove",
    "copies": "producer.commands.titles:copies",
    "correct": "producer.commands.titles:correct",
    "import": "producer.imports.command:import_",
    "gateway": "producer.commands.gateway:gateway",
}
"""The location of each command, in the order of ``--help``."""


@click.command(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def program() -> None:
    """Change a library's inventory: each command appends its events to the event store."""
