"""The program ``library``: every command under one name, each imported when it is used."""

import click

from producer import cli as producer
from schemas.command_line import Late, run

COMMANDS = {
    "up": "library.system:up",
    "down": "library.system:down",
    "status": "library.system:status",
    **producer.COMMANDS,
    "inventory": "library.queries:inventory",
    "search": "library.queries:search",
    "history": "library.queries:history",
    "loans": "library.queries:loans",
    "events": "library.events:events",
    "logs": "library.logs:logs",
    "replay": "library.replay:replay",
    "verify": "library.verify:verify",
    "held": "library.held:held",
    "topics": "library.topics:topics",
    "config": "library.config:config",
    "doctor": "library.doctor:doctor",
    "backup": "library.backup:backup",
    "restore": "library.restore:restore",
}
"""Where each command is, in the order that ``--help`` lists them."""


@click.command(cls=Late, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="library-inventory", prog_name="library")
def library() -> None:
    """A library's inventory, kept as events on Kafka."""


def main() -> None:
    """Entry point of the installed program."""
    run(library, "library")
