"""What every program here does on its command line: flags that are settings, errors as exit codes."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from foundation.cli import exits

if TYPE_CHECKING:
    from foundation.settings import Loaded

Function = TypeVar("Function", bound=Callable[..., Any])


class CommandError(click.ClickException):
    """An expected end with exit code ``code``: the message says what was wrong and what to do next."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """The message on stderr, without click's usage lines."""
        click.echo(f"Error: {self.message}", file=file, err=True)


_FLAGS: dict[str, tuple[str, dict[str, Any]]] = {
    "kafka": ("--kafka", {"metavar": "HOST:PORT", "help": "Kafka's bootstrap servers."}),
    "api": ("--api", {"metavar": "URL", "help": "Where the query API answers."}),
    "gateway": ("--gateway", {"metavar": "URL", "help": "Where the gateway takes commands."}),
    "data_dir": ("--data-dir", {"metavar": "DIR", "help": "The system that keeps its data there."}),
    "deadline": ("--timeout", {"metavar": "SECONDS", "type": float, "help": "How long to try."}),
    "host": ("--host", {"metavar": "ADDRESS", "help": "The address to listen on."}),
    "port": ("--port", {"type": int, "help": "The query API's port."}),
    "kafka_port": ("--kafka-port", {"type": int, "help": "The embedded broker's port."}),
    "gateway_port": ("--gateway-port", {"type": int, "help": "The gateway's port; 0: the API's + 1."}),
    "name": ("--name", {"help": "The system's name on its Kafka."}),
    "partitions": ("--partitions", {"type": int, "help": "Partitions of the event store."}),
    "replication": ("--replication", {"type": int, "help": "Copies Kafka keeps of each partition."}),
    "durability": (
        "--durability",
        {"type": click.Choice(["disk", "os"]), "help": "When the embedded broker acknowledges."},
    ),
    "workers": ("--workers", {"type": int, "help": "Projector processes."}),
    "log_level": ("--log-level", {"help": "DEBUG, INFO, WARNING or ERROR."}),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used.

    ``commands_at`` maps each name, in the order that ``--help`` lists them, to ``module:object``.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the table's order."""
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if (place := self.commands_at.get(cmd_name)) is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


def with_settings(*names: str) -> Callable[[Function], Function]:
    """Give a command a flag for each setting in ``names``, and the result as its argument ``settings``.

    A flag stands before the environment, ``library.toml``, the system found running, and the default. Bad
    settings end the command with 2.
    """

    def decorate(command: Function) -> Function:
        @functools.wraps(command)
        def with_loaded(*args: Any, **given: Any) -> Any:
            flags = {name: given.pop(name) for name in names}
            return command(*args, settings=loaded(flags).settings, **given)

        return setting_flags(*names)(with_loaded)  # type: ignore[return-value]

    return decorate


def setting_flags(*names: str) -> Callable[[Function], Function]:
    """Give a command a flag, and an argument of its name, for each setting in ``names``; None: not given."""

    def decorate(command: Function) -> Function:
        decorated: Any = command
        for name in reversed(names):
            flag, more = _FLAGS[name]
            decorated = click.option(flag, name, default=None, **more)(decorated)
        result: Function = decorated
        return result

    return decorate


def loaded(flags: dict[str, Any], running: bool = True) -> "Loaded":
    """Settings as ``foundation.settings.load`` finds them from here. Bad ones end the command with 2."""
    # Late, so that `--help` does not pay for it
    _import_msgspec()
    from foundation.settings import BadSettings, load

    try:
        return load(flags, os.environ, Path.cwd(), running)
    except BadSettings as error:
        raise CommandError(exits.MALFORMED, str(error)) from error


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions: a tenth of a command's time.

    It looks there first, for the sake of earlier Pythons, for what ``typing`` has.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def run(program: click.Command, name: str) -> NoReturn:
    """Run ``program`` as this process's command line, and exit with its code.

    A command's own return value is its exit code; None is 0. A closed pipe ends it quietly with 1.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a letter shows its number, instead of ending the command
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = program.main(prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = exits.INTERRUPTED
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exits.FAILED
    sys.exit(code or exits.DONE)
