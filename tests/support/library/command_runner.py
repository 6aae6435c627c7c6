"""Runs commands in this process as `library` runs them."""

import click
from click.testing import CliRunner
from msgspec import Struct

from foundation.settings import Settings


class CommandResult(Struct):
    """Exit code and output of a command."""

    exit_code: int
    stdout: str
    stderr: str


def run_command(program: click.Command, settings: Settings, *arguments: str) -> CommandResult:
    """Run a command against the system of ``settings``, as ``foundation.cli.app.run`` does."""
    names = ["kafka", "name", "partitions", "data_dir", "deadline", "api", "gateway"]
    names += ["port", "kafka_port", "gateway_port"]
    environment = {f"LIBRARY_{name.upper()}": str(getattr(settings, name)) for name in names}
    result = CliRunner().invoke(program, arguments, env=environment, standalone_mode=False)
    match result.exception:
        case None:
            return CommandResult(result.return_value or 0, result.stdout, result.stderr)
        case click.ClickException() as error:
            return CommandResult(error.exit_code, result.stdout, f"{result.stderr}Error: {error.message}\n")
        case other:
            raise other
