"""The pages about the examples are true: code is the examples' code, commands print what the page says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from foundation.settings import Settings
from library.process.ports import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
PROGRAMS = {
    "python": [sys.executable],
    "library": [sys.executable, "-m", "library"],
    "curl": [sys.executable, "-c", FETCH],
}
EVENTUAL = ("curl ", " show ", " verify ")
"""Commands that read a table: they are repeated until the workers have caught up."""


class Step(NamedTuple):
    """A command of a page, and the lines that it prints; none: they are not in the page."""

    command: str
    output: list[str]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def steps(text: str) -> list[Step]:
    """The indented lines of the page: a command after ``$``, and its output."""
    found: list[Step] = []
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for line in re.findall(r"^    (?=\S)(.*)$", prose, re.MULTILINE):
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        else:
            found[-1].output.append(line)
    return found


def comparable(lines: list[str]) -> list[str]:
    """The lines without times and the width of columns."""
    return [TIME.sub("TIME", re.sub(r"\s+", " ", line)) for line in lines]


class Shell:
    """Runs the commands of a page, and stops what they leave running."""

    def __init__(self, environment: dict[str, str], stack: ExitStack) -> None:
        self._environment, self._stack = environment, stack

    def run(self, step: Step) -> None:
        program, *arguments = shlex.split(step.command.removesuffix("&"))
        command = [*PROGRAMS[program], *arguments]
        if step.command.endswith("&"):
            self._start(command, step)
        elif any(word in step.command for word in EVENTUAL):
            eventually(lambda: self._check(command, step), limit=60)
        else:
            self._check(command, step)

    def _check(self, command: list[str], step: Step) -> bool:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        printed = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        if step.output:
            assert comparable(printed) == comparable(step.output)
        assert (done.returncode == 0) == (not step.output or not step.output[0].startswith("Error: "))
        return True

    def _start(self, command: list[str], step: Step) -> None:
        process = self._stack.enter_context(
            subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True)
        )
        self._stack.callback(process.kill)
        assert process.stdout is not None
        assert [process.stdout.readline().rstrip() for _ in step.output] == step.output


def follow(text: str, settings: Settings, data_dir: Path) -> None:
    """Run all commands of the page in order."""
    environment = {
        "LIBRARY_KAFKA": settings.kafka,
        "LIBRARY_NAME": settings.name,
        "LIBRARY_DATA_DIR": str(data_dir),
        "LIBRARY_LOG_LEVEL": "ERROR",
    }
    found = steps(text)
    assert len(found) > 5
    with ExitStack() as stack:
        shell = Shell(environment, stack)
        for step in found:
            shell.run(step)


@pytest.mark.timeout(300)
def test_the_commands_in_the_page_about_domains_print_what_it_says(broker: str, tmp_path: Path) -> None:
    name, port = f"warehouse-{uuid4().hex[:12]}", str(free_port())
    text = page("your-own-domain.md").replace("8090", port).replace("warehouse-stock", f"{name}-stock")
    text = re.sub(
        r"^(    \$ python -m examples\.warehouse .*?)( &)?$", rf"\1 --name {name}\2", text, flags=re.M
    )
    text = text.replace("--name warehouse ", f"--name {name} ").replace(" serve ", f" serve --port {port} ")
    follow(text, Settings(kafka=broker, name=name), tmp_path)


@pytest.mark.timeout(300)
def test_the_commands_in_the_page_about_projections_print_what_it_says(
    new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    # The page has positions in a store of the default size
    settings = new_settings(partitions=8)
    text = page("projections.md").replace("library-patron-loans", f"{settings.name}-patron-loans")
    follow(text, settings, tmp_path)


@pytest.mark.parametrize(
    ("name", "example"), [("your-own-domain.md", "warehouse"), ("projections.md", "patron_loans")]
)
def test_the_code_in_a_page_is_the_examples_code(name: str, example: str) -> None:
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "examples" / example).glob("*.py"))
    blocks = re.findall(r"^```python\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 3
    for block in blocks:
        assert block in code, f"not in examples/{example}:\n{block}"
