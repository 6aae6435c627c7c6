"""Flags, settings, errors and standard streams of every program."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from foundation.cli import exits
from foundation.cli.app import CommandError, LazyGroup, run, with_settings
from foundation.loaded_settings import load
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
def test_errors_become_exit_codes(
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


def test_a_terminal_that_lacks_a_letter_shows_its_number() -> None:
    done = shell("$P add 9781593275847 $'\\u010capek'", PYTHONIOENCODING="latin-1")
    assert "wrong check digit" in done.stderr
    done = shell("$P logs $'\\u010capek' --data-dir nowhere", PYTHONIOENCODING="latin-1")
    assert "\\u010capek" in done.stderr


def test_a_lazy_group_imports_only_the_command_that_is_used() -> None:
    group = LazyGroup(
        "lazy", commands_at={"there": "library.commands.config:config", "not": "no.such:module"}
    )
    context = click.Context(group)
    assert group.list_commands(context) == ["there", "not"]
    assert isinstance(group.get_command(context, "there"), click.Group)
    assert group.get_command(context, "neither") is None


def test_a_flag_overrides_the_environment(
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


def test_a_commands_own_default_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @with_settings("kafka", "name", name="warehouse")
    def show(settings: Settings) -> None:
        click.echo(settings.name)

    monkeypatch.setenv("LIBRARY_NAME", "library")
    show.main([], standalone_mode=False)
    show.main(["--name", "other"], standalone_mode=False)
    assert capsys.readouterr().out == "warehouse\nother\n"
    show.main(["--help"], standalone_mode=False)
    assert "[default: warehouse]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("redirection", "code", "error"),
    [
        (">/dev/full", 1, "Error: standard output can't be written: No space left on device\n"),
        (">&-", 1, "Error: standard output can't be written: Bad file descriptor\n"),
        (">/dev/null 2>&-", 0, ""),
        (">/dev/null <&-", 0, ""),
        (">&- 2>&-", 1, ""),
    ],
)
def test_output_that_is_lost_is_an_error(redirection: str, code: int, error: str) -> None:
    done = shell(f"$P config show {redirection}")
    assert (done.returncode, done.stderr) == (code, error)


def test_errors_that_cant_be_printed_leave_the_exit_code() -> None:
    for redirection in ("2>&-", "2>/dev/full"):
        assert shell(f"$P config show nonsense {redirection}").returncode == exits.MALFORMED


def test_errors_are_json_where_json_is_requested() -> None:
    done = shell("$P inventory --json --api http://127.0.0.1:1")
    document = json.loads(done.stderr)
    assert document.keys() == {"error", "exit_code"}
    assert document["exit_code"] == done.returncode == exits.UNAVAILABLE
    assert json.loads(shell("$P search --json").stderr)["error"] == "Missing argument 'TEXT'."
    assert shell("$P search -- --json --json").stderr.startswith("Usage: ")


@pytest.mark.parametrize("seconds", ["1e308", "0", "-1", "86401"])
def test_a_timeout_is_a_sensible_number_of_seconds(seconds: str) -> None:
    done = shell(f"$P inventory --timeout={seconds}")
    assert done.returncode == exits.MALFORMED
    (line,) = done.stderr.splitlines()
    assert "deadline (--timeout) is more than 0 and at most 86400 seconds" in line


@pytest.mark.parametrize(
    "command",
    [
        "search {}", "inventory {}", "history {}", "loans --user {}", "inventory --author {}",
        "inventory --api http://{}", "doctor --end-transaction {}", "borrow 9781593275846 {}",
        "copies withdraw 9781593275846 1 --reason {}", "held show {}", "events --group {}",
    ],
)  # fmt: skip
def test_a_text_that_is_not_utf_8_is_malformed(command: str) -> None:
    done = shell("$P " + command.format(r"$'\xff'") + " --json --data-dir $'/nowhere\\xff'")
    assert (done.returncode, done.stdout) == (exits.MALFORMED, "")
    assert json.loads(done.stderr)["error"].endswith("\\udcff' is not UTF-8")


@pytest.mark.parametrize(
    "address", ["ftp://x", "127.0.0.1:8080", "http://", "http://h:x", "http://h:0", "http://h:65536",
                "http://[::1", "http://a b", "http://h?x", "http://u@h"],
)  # fmt: skip
def test_an_address_that_cant_be_a_services_is_a_malformed_setting(address: str) -> None:
    with pytest.raises(ValueError, match="api is the address of a service, as http"):
        Settings(api=address)
    with pytest.raises(ValueError, match="gateway is the address of a service, as http"):
        Settings(gateway=address)


@pytest.mark.parametrize(
    "address", ["", "http://h", "https://h:443/", "http://[::1]:80/a/b", "http://bücher.example:1"]
)
def test_an_address_may_have_a_port_and_a_path(address: str) -> None:
    assert Settings(api=address, gateway=address).api == address


def test_a_value_that_begins_with_a_dash_needs_two_dashes() -> None:
    assert "put -- before" in shell("$P search -ology").stderr
    assert shell("$P search --authr x").stderr.endswith("with a dash. Did you mean --author?\n")
    done = shell("$P search --api http://127.0.0.1:1 -- -ology")
    assert done.returncode == exits.UNAVAILABLE


def test_msgspec_imports_typing_extensions() -> None:
    """If this fails, foundation.cli.app._import_msgspec is no longer needed."""
    code = "import msgspec, sys; sys.exit('typing_extensions' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_command_imports_what_it_may_not_need() -> None:
    """A command starts quickly because Kafka's client, Avro, tables and servers are imported late."""
    heavy = ["confluent_kafka", "fastavro", "rich", "litestar", "granian", "faust", "msgspec", "psutil"]
    code = (
        "import sys, click; from library.cli import library, COMMANDS\n"
        "context = click.Context(library)\n"
        "for name in COMMANDS: library.get_command(context, name)\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "\n"


def test_config_show_has_what_a_command_with_the_same_flags_uses() -> None:
    done = shell("$P config show --json --port 9000 --kafka elsewhere:1", LIBRARY_LOAN_DAYS="28")
    rows = {
        row["setting"]: (row["value"], row["source"]) for row in map(json.loads, done.stdout.splitlines())
    }
    assert rows["port"] == (9000, "flag")
    assert rows["kafka"] == ("elsewhere:1", "flag")
    assert rows["loan_days"] == (28, "environment")
    assert rows["gateway"][0] == ""


@pytest.mark.parametrize("program", ["library", "library copies add", "producer", "projector", "query_api"])
def test_every_program_has_a_short_help_option(program: str) -> None:
    module, *commands = program.split()
    done = shell(" ".join([sys.executable, "-m", module, *commands, "-h"]))
    assert (done.returncode, done.stderr) == (exits.DONE, "")
    assert done.stdout.startswith("Usage: ")


def test_commands_and_options_can_be_completed() -> None:
    script = shell("_LIBRARY_COMPLETE=bash_source $P")
    assert "complete -o nosort -F" in script.stdout
    words = {"COMP_WORDS": "library lo", "COMP_CWORD": "1"}
    assert shell("_LIBRARY_COMPLETE=bash_complete $P", **words).stdout.splitlines() == [
        "plain,loans",
        "plain,logs",
    ]


def test_a_system_nearby_gives_the_settings_that_its_writers_share(tmp_path: Path) -> None:
    folder = tmp_path / ".library"
    folder.mkdir()
    run = {"kafka": "127.0.0.1:1", "timezone": "Europe/Prague", "loan_days": 14}
    (folder / "run.json").write_text(json.dumps(run))
    settings = load({}, {}, tmp_path).settings
    assert (settings.timezone, settings.loan_days) == ("Europe/Prague", 14)
    assert load({}, {"LIBRARY_TIMEZONE": "UTC"}, tmp_path).settings.timezone == "UTC"
    assert load({}, {"LIBRARY_KAFKA": "127.0.0.1:2"}, tmp_path).settings.loan_days == 21


@pytest.mark.parametrize("command", ["config show", "status", "inventory"])
def test_a_deleted_current_folder_is_named(command: str, tmp_path: Path) -> None:
    program = f"cd {tmp_path} && rmdir {tmp_path} && {sys.executable} -P -m library {command}"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (exits.FAILED, "")
    assert done.stderr == "Error: the current folder has been deleted: change to another one and try again\n"


def test_the_number_of_log_lines_is_bounded() -> None:
    done = shell(f"$P logs -n {'9' * 20}")
    assert (done.returncode, done.stdout) == (exits.MALFORMED, "")
    assert "Traceback" not in done.stderr
