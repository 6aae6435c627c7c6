"""The program ``library``: every command under one name, each imported when it is used."""

import click

from foundation.cli.app import LazyGroup, run
from producer import cli as producer

COMMANDS = {
    "up": "library.commands.system:up",
    "down": "library.commands.system:down",
    "status": "library.commands.system:status",
    "open": "library.commands.page:open_page",
    "restart": "library.commands.processes:restart",
    "stop": "library.commands.processes:stop",
    "start": "library.commands.processes:start",
    **producer.COMMANDS,
    "inventory": "library.commands.queries:inventory",
    "search": "library.commands.queries:search",
    "history": "library.commands.queries:history",
    "loans": "library.commands.queries:loans",
    "explain": "library.commands.explain:explain",
    "diff": "library.commands.diff:diff",
    "patron": "library.commands.patron:patron",
    "events": "library.commands.events:events",
    "logs": "library.commands.logs:logs",
    "groups": "library.commands.groups:groups",
    "replay": "library.commands.replay:replay",
    "rebuild": "library.commands.rebuild:rebuild",
    "verify": "library.commands.verify:verify",
    "audit": "audit.cli:audit",
    "prove": "library.commands.prove:prove",
    "held": "library.commands.held:held",
    "topics": "library.commands.topics:topics",
    "kafka": "library.commands.kafka:kafka",
    "config": "library.commands.config:config",
    "doctor": "library.commands.doctor:doctor",
    "backup": "library.commands.backup:backup",
    "restore": "library.commands.restore:restore",
    "notary": "notary.cli:notary",
}
"""Where each command is, in the order that ``--help`` lists them."""


@click.command(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="library-inventory", prog_name="library")
def library() -> None:
    """A library's inventory, kept as events on Kafka."""


def main() -> None:
    """Entry point of the installed program."""
    run(library, "library")
