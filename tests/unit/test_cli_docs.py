"""docs/cli.md and docs/settings.md leave nothing out, and name nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from foundation.cli import exits
from foundation.cli.app import FLAGS
from foundation.loaded_settings import MACHINE_VARIABLES
from foundation.settings import Settings
from library.cli import library

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text("utf-8")
SETTINGS = (DOCS / "settings.md").read_text("utf-8")
# What stands once for all commands of a chapter
SHARED = {"Changing the inventory", "Reading it"}


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, f"{path} {name}")


def sections() -> dict[str, str]:
    """The text of each command, with what its chapter says for all of them."""
    found = {}
    for chapter in CLI.split("\n## ")[1:]:
        title = chapter.partition("\n")[0]
        first, *texts = chapter.split("\n### ")
        for text in texts:
            name, _, body = text.partition("\n")
            found[name] = body + (first if title in SHARED and "Settings:" not in body else "")
    return found


COMMANDS = dict(commands(library, "library"))


def test_every_command_has_a_section() -> None:
    assert sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_described(name: str) -> None:
    text, command = sections()[name], COMMANDS[name]
    options, words = set(), set()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            options |= set() if parameter.hidden else {*parameter.opts, *parameter.secondary_opts}
        else:
            words |= set(re.findall(r"[A-Z]+", parameter.make_metavar(click.Context(command))))
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
    others = {
        option for other in COMMANDS.values() for p in other.params for option in (*p.opts, *p.secondary_opts)
    }
    assert options <= named
    # An option that is named in passing must at least belong to some command
    assert named <= others
    assert words <= set(re.findall(r"[A-Z]+", text))


def test_every_setting_is_listed_with_its_flag_and_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", SETTINGS, re.MULTILINE)
    defaults = Settings()
    expected = []
    for name in Settings.__struct_fields__:
        flag = f"`{FLAGS[name][0]}`" if name in FLAGS else "–"
        expected.append(
            (name, flag, f"`{getattr(defaults, name)}`" if getattr(defaults, name) != "" else "*empty*")
        )
    assert rows == expected
    for name in MACHINE_VARIABLES:
        assert f"`{name}`" in SETTINGS


def test_every_exit_code_is_listed() -> None:
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", CLI, re.MULTILINE)]
    assert listed == sorted(value for name, value in vars(exits).items() if name.isupper())
