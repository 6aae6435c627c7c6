"""docs/operations.md names what there is: every metric, and no other command, target or setting."""

import re
import shlex
from pathlib import Path

import click

from library.cli import library

ROOT = Path(__file__).parents[3]
SOURCES = (
    "projector/metrics.py", "producer/gateway/metrics.py", "query_api/http/metrics.py", "audit/metrics.py",
    "notary/metrics.py",
)  # fmt: skip
SUFFIX = "_total"


def page() -> str:
    return (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_the_operations_page_lists_every_metric():
    text = "".join((ROOT / source).read_text("utf-8") for source in SOURCES)
    there = set(re.findall(r'"(library_[a-z_]+)"', text))
    table = page().partition("| metric |")[2].partition("\n\n")[0]
    named = {name.removesuffix(SUFFIX) for name in re.findall(r"`(library_[a-z_]+)`", table)}
    assert named == there


def test_every_setting_on_the_operations_page_exists():
    from foundation.settings import Settings

    named = {name.lower() for name in re.findall(r"\bLIBRARY_([A-Z_]+)\b", page())}
    assert named <= set(Settings.__struct_fields__)


def test_every_command_on_the_operations_page_exists_with_its_options():
    named = re.findall(r"^    (library .*)$|`(library [a-z][^`]*)`", page(), re.MULTILINE)
    assert len(named) > 15
    for line in (block or inline for block, inline in named):
        command: click.Command = library
        words = shlex.split(line, comments=True)[1:]
        # The text may name a group of commands
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        options = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in words if word.startswith("-")} <= options, line


def test_every_make_target_on_the_operations_page_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page())) <= targets
