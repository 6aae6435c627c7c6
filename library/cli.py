"""The program ``library``: every command under one name, each imported when it is used."""

from importlib import import_module

import click

from schemas.command_line import run

COMMANDS = {
    "up": "library.system:up",
    "down": "library.system:down",
    "status": "library.system:status",
    "logs": "library.logs:logs",
    "replay": "library.replay:replay",
    "topics": "library.topics:topics",
    "config": "library.config:config",
}
"""Where each command is, in the order that ``--help`` lists them; only what is used is imported."""


class Late(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if (place := COMMANDS.get(cmd_name)) is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.command(cls=Late, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="library-inventory", prog_name="library")
def library() -> None:
    """A library's inventory, kept as events on Kafka."""


def main() -> None:
    """Entry point of the installed program."""
    run(library, "library")
