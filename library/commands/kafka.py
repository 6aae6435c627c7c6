"""``library kafka``: Kafka's own tools, against the Kafka of this system."""

from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings

_CHUNK_BYTES = 1 << 16
TOOLS = ("acls", "configs", "consumer-groups", "get-offsets", "groups", "topics", "transactions")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@with_settings("kafka", "name", "data_dir")
@click.argument("tool", type=click.Choice(TOOLS), metavar="TOOL")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kafka(settings: "Settings", tool: str, arguments: tuple[str, ...]) -> int:
    """Run a tool of Kafka, with its own ARGUMENTS.

    TOOL is acls, configs, consumer-groups, get-offsets, groups, topics or transactions; --help after it lists
    its arguments. The address of this system's Kafka and the security settings are added. The exit code is
    the tool's.
    """
    import os
    import subprocess
    import sys

    from foundation.cli.streams import OutputError
    from library.broker.jars import NoJars
    from library.broker.java import NoJava
    from library.broker.properties import java_environment
    from library.broker.tools import tool_command

    try:
        with tool_command(settings, tool, arguments, os.environ) as command:
            with subprocess.Popen(
                command, env=java_environment(os.environ), stdout=subprocess.PIPE, bufsize=0
            ) as tool_process:
                assert tool_process.stdout is not None
                # Java does not report output that it can't write; we do
                while output := tool_process.stdout.read(_CHUNK_BYTES):
                    sys.stdout.buffer.write(output)
                    sys.stdout.flush()
            return tool_process.returncode
    except (NoJars, NoJava) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (OutputError, BrokenPipeError):
        raise
    except OSError as error:
        raise CommandError(exits.FAILED, f"{error.filename or tool}: {error.strerror or error}") from error
