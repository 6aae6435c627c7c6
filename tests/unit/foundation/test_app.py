"""What every program does with flags, settings and errors."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from foundation.cli import exits
from foundation.cli.app import CommandError, LazyGroup, run, with_settings
from foundation.settings import Settings


@click.group()
def program() -> None:
    pass


@program.command()
@click.argument("how")
def end(how: str) -> int | None:
    match how:
        case "refused":
            raise CommandError(exits.REFUSED, "it is refused")
        case "interrupted":
            raise KeyboardInterrupt
        case "code":
            return exits.BAD_DATA
        case _:
            click.echo("Čapek")
            return None


@pytest.mark.parametrize(
    ("arguments", "code", "out", "error"),
    [
        (["end", "well"], 0, "Čapek\n", ""),
        (["end", "code"], 65, "", ""),
        (["end", "refused"], 3, "", "Error: it is refused\n"),
        (["end", "interrupted"], 130, "", "\n"),
        (["end"], 2, "", "Missing argument 'HOW'"),
        (["nothing"], 2, "", "No such command 'nothing'"),
    ],
)
def test_each_error_ends_with_its_exit_code_and_message(
    arguments: list[str],
    code: int,
    out: str,
    error: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(program, "program")
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (code, out)
    assert error in captured.err


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=os.environ | {"P": f"{sys.executable} -m library"} | environment,
        capture_output=True,
        text=True,
        encoding="latin-1",
        timeout=60,
    )


def test_a_closed_pipe_ends_a_command_quietly() -> None:
    done = shell("$P --help | true")
    assert (done.returncode, done.stderr) in ((0, ""), (1, ""))
    done = shell("$P config show --json | head -1")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_characters_a_terminal_cannot_encode_are_escaped() -> None:
    done = shell("$P add 9781593275847 $'\\u010capek'", PYTHONIOENCODING="latin-1")
    assert "wrong check digit" in done.stderr
    done = shell("$P logs $'\\u010capek' --data-dir nowhere", PYTHONIOENCODING="latin-1")
    assert "\\u010capek" in done.stderr


def test_only_the_invoked_command_is_imported() -> None:
    late = LazyGroup("late", commands_at={"there": "library.commands.config:config", "not": "no.such:module"})
    context = click.Context(late)
    assert late.list_commands(context) == ["there", "not"]
    assert isinstance(late.get_command(context, "there"), click.Group)
    assert late.get_command(context, "neither") is None


def test_flags_override_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @with_settings("kafka", "deadline")
    def show(settings: Settings) -> None:
        click.echo(f"{settings.kafka} {settings.deadline:g}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIBRARY_KAFKA", "environment:1")
    monkeypatch.setenv("LIBRARY_DEADLINE", "5")
    show.main(["--kafka", "flag:1"], standalone_mode=False)
    assert capsys.readouterr().out == "flag:1 5\n"
    monkeypatch.setenv("LIBRARY_DEADLINE", "soon")
    with pytest.raises(CommandError, match="deadline") as ending:
        show.main([], standalone_mode=False)
    assert ending.value.exit_code == exits.MALFORMED


def test_no_command_imports_modules_it_may_not_need() -> None:
    """A start is quick because Kafka's client, Avro, tables and servers are imported late."""
    heavy = ["confluent_kafka", "fastavro", "rich", "litestar", "granian", "faust", "msgspec", "psutil"]
    code = (
        "import sys, click; from library.cli import library, COMMANDS\n"
        "context = click.Context(library)\n"
        "for name in COMMANDS: library.get_command(context, name)\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "\n"
