"""The program ``python -m producer``: the commands that change the inventory. ``library`` has them too."""

import click

from schemas.command_line import Late

COMMANDS = {
    "add": "producer.changing:add",
    "borrow": "producer.changing:borrow",
    "return": "producer.changing:return_",
    "renew": "producer.changing:renew",
    "remove": "producer.changing:remove",
    "copies": "producer.changing:copies",
    "correct": "producer.changing:correct",
    "import": "producer.importing.command:import_",
    "gateway": "producer.serving:gateway",
}
"""Where each command is, in the order that ``--help`` lists them."""


@click.command(cls=Late, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def program() -> None:
    """Change a library's inventory: each command appends its events to the event store."""
