"""The frame of all command lines: flags that are settings, errors as exit codes, commands imported late."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from foundation.cli import exits
from foundation.cli.numbers import Integer, Number
from foundation.cli.streams import OutputError, discard_output, prepare_streams

if TYPE_CHECKING:
    from foundation.loaded_settings import Loaded

Function = TypeVar("Function", bound=Callable[..., Any])


class CommandError(click.ClickException):
    """Ends a command with ``exit_code``; the message names the fault and the next step.

    ``code`` is the rule or problem that refuses the command, for programs.
    """

    def __init__(self, exit_code: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.exit_code, self.code = exit_code, code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message on stderr, without click's usage lines."""
        click.echo(f"Error: {self.message}", file=file, err=True)


FLAGS: dict[str, tuple[str, dict[str, Any]]] = {
    "kafka": ("--kafka", {"metavar": "HOST:PORT", "help": "Kafka's bootstrap servers."}),
    "api": ("--api", {"metavar": "URL", "help": "Where the query API answers."}),
    "gateway": ("--gateway", {"metavar": "URL", "help": "Where gateways take commands."}),
    "data_dir": ("--data-dir", {"metavar": "DIR", "help": "The system that keeps its data there."}),
    "actor": ("--actor", {"metavar": "NAME", "help": "The person, desk or program, for the events."}),
    "deadline": ("--timeout", {"metavar": "SECONDS", "type": Number(), "help": "How long to try."}),
    "host": ("--host", {"metavar": "ADDRESS", "help": "The address to listen on."}),
    "port": ("--port", {"type": Integer(), "help": "The query API's port."}),
    "kafka_port": ("--kafka-port", {"type": Integer(), "help": "The embedded broker's port."}),
    "gateway_port": ("--gateway-port", {"type": Integer(), "help": "The gateway's port; 0: the API's + 1."}),
    "name": ("--name", {"help": "The system's name on its Kafka."}),
    "partitions": ("--partitions", {"type": Integer(), "help": "Partitions of the event store."}),
    "replication": ("--replication", {"type": Integer(), "help": "Copies Kafka keeps of each partition."}),
    "durability": (
        "--durability",
        {"type": click.Choice(["disk", "os"]), "help": "When the embedded broker acknowledges."},
    ),
    "gateways": ("--gateways", {"type": Integer(), "help": "Gateway processes."}),
    "workers": ("--workers", {"type": Integer(), "help": "Projector processes."}),
    "notary": (
        "--notary",
        {"flag_value": 1, "type": Integer(), "help": "With a notary, which signs checkpoints."},
    ),
    "notary_key": ("--key-file", {"metavar": "FILE", "help": "The notary's private keys."}),
    "notary_interval": (
        "--interval",
        {"metavar": "SECONDS", "type": Number(), "help": "Between two checkpoints of a partition."},
    ),
    "origin": ("--origin", {"metavar": "NAME", "help": "The store's name in checkpoints and new keys."}),
    "writer_keys": ("--writers", {"metavar": "FILE", "help": "The public keys of all writers."}),
    "publish": ("--publish", {"metavar": "COMMAND", "help": "Gets each checkpoint on standard input."}),
    "log_level": ("--log-level", {"help": "DEBUG, INFO, WARNING or ERROR."}),
}
"""By setting: its flag, and the arguments of its click option."""


class LazyGroup(click.Group):
    """A group that imports a command when it is used.

    ``commands_at`` maps each name to ``module:object``, in the order of ``--help``.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names in the order of ``commands_at``."""
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command; None if there is none of this name."""
        if (location := self.commands_at.get(cmd_name)) is None:
            return None
        module, _, name = location.partition(":")
        command: click.Command = getattr(import_module(module), name)
        _require_text(command)
        return command


class _Text(click.types.StringParamType):
    """A text. A path may have bytes that are not UTF-8; a text with them can be neither sent nor stored."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.fail(f"{text!r} is not UTF-8", param, ctx)
        return text


def _require_text(command: click.Command) -> None:
    """Make a command's arguments and options accept UTF-8 only, unless they are paths; also its members'."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType) and parameter.name != "data_dir":
            parameter.type = _Text()
    if isinstance(command, click.Group) and not isinstance(command, LazyGroup):
        for member in command.commands.values():
            _require_text(member)


def with_settings(*names: str, addresses: bool = True, **defaults: str) -> Callable[[Function], Function]:
    """Give a command a flag for each setting in ``names``, and all settings as its argument ``settings``.

    A flag overrides the environment, ``library.toml``, the system running nearby, and the default; one in
    ``defaults`` does so even when it is not used. Bad settings end the command with 2; see
    ``foundation.loaded_settings.load`` for ``addresses``.
    """

    def decorate(command: Function) -> Function:
        @functools.wraps(command)
        def with_loaded(*args: Any, **given: Any) -> Any:
            flags = {name: given.pop(name) for name in names}
            settings = loaded(flags, addresses=addresses).settings
            from foundation.settings import BadSettings

            try:
                return command(*args, settings=settings, **given)
            except BadSettings as error:
                # A file that a setting names
                raise CommandError(exits.MALFORMED, str(error)) from error

        return setting_flags(*names, **defaults)(with_loaded)  # type: ignore[return-value]

    return decorate


def setting_flags(*names: str, **defaults: str) -> Callable[[Function], Function]:
    """Give a command a flag and an argument for each setting in ``names``, with its default.

    The argument is None if the flag was not used and is not in ``defaults``.
    """

    def decorate(command: Function) -> Function:
        decorated: Any = command
        for name in reversed(names):
            flag, more = FLAGS[name]
            default = defaults.get(name)
            decorated = click.option(flag, name, default=default, show_default=bool(default), **more)(
                decorated
            )
        result: Function = decorated
        return result

    return decorate


def loaded(flags: dict[str, Any], running: bool = True, addresses: bool = True) -> "Loaded":
    """The settings for the current folder and environment. Bad ones end the command with 2."""
    # Imported here because `--help` needs no settings
    _import_msgspec()
    from foundation.loaded_settings import load
    from foundation.settings import BadSettings

    try:
        folder = Path.cwd()
    except FileNotFoundError as error:
        text = "the current folder has been deleted: change to another one and try again"
        raise CommandError(exits.FAILED, text) from error
    try:
        loading = load(flags, os.environ, folder, running, addresses)
    except BadSettings as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    for warning in loading.warnings:
        click.echo(f"Warning: {warning}", err=True)
    return loading


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it uses on older Pythons only.

    Saves 22 ms of a command's 120 ms. ``test_msgspec_imports_typing_extensions`` fails when msgspec no longer
    imports it: then remove this function.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def run(program: click.Command, name: str) -> NoReturn:
    """Run ``program`` as the command line of this process, and exit with its code.

    The code is the command's return value; None is 0. If the reader of a pipe has closed it, the command
    ends with 1 and prints nothing.
    """
    prepare_streams()
    # Subcommands inherit it
    program.context_settings.setdefault("help_option_names", ["-h", "--help"])
    code = _exit_code(program, name)
    discard_output()
    sys.exit(code)


def _exit_code(program: click.Command, name: str) -> int:
    try:
        code = program.main(prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except BrokenPipeError:
        return exits.FAILED
    except OutputError as error:
        _show(CommandError(exits.FAILED, f"standard output can't be written: {error.strerror}"))
        return exits.FAILED
    return code or exits.DONE


def _show(error: click.ClickException) -> None:
    """Print the error on stderr: as JSON if the command line asks for JSON, otherwise as a sentence."""
    if isinstance(error, click.NoSuchOption):
        # click adds the options that are meant, if it knows any
        error.message += "; put -- before a value that begins with a dash" + "." * bool(error.possibilities)
    if "--json" not in takewhile(lambda argument: argument != "--", sys.argv[1:]):
        error.show()
        return
    import json

    document = {"error": error.format_message(), "exit_code": error.exit_code}
    if code := getattr(error, "code", ""):
        document["code"] = code
    click.echo(json.dumps(document, ensure_ascii=False), err=True)
