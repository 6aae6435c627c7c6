"""docs/adding-an-event.md: its example passes every check, and works with data of the release before it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from foundation.cli import exits
from foundation.settings import Settings
from library.store.table_part import table_parts
from schemas.topics import INVENTORY
from tests.support.library.installed_system import System
from tests.support.worked_example import PACKAGES, ROOT, apply, blocks_of, copy_tree

RELOCATED, BORROWED, UNTOUCHED = "9781593275846", "9781680502992", "9780262033848"
UNIT_TESTS = (
    "inventory",
    "schemas",
    "eventstore/test_avro.py",
    "producer/test_gateway_page.py",
    "producer/test_titles.py",
    "query_api/test_documents.py",
    "query_api/test_past.py",
    "test_cli_docs.py",
)
CHECKED = (*PACKAGES, "examples", "tests/unit/inventory")
OLD_ROW, NEW_ROW = 100, 200
"""Schema ids."""

pytestmark = pytest.mark.timeout(400)  # it starts two systems and checks all types


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with the page's blocks applied."""
    tree = copy_tree(tmp_path_factory.mktemp("tree"))
    apply(blocks_of((ROOT / "docs" / "adding-an-event.md").read_text("utf-8")), tree)
    return tree


def assert_passes(tree: Path, module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=350,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_passes_the_checks_of_style_and_types(tree: Path) -> None:
    assert_passes(tree, "ruff", "check", ".")
    assert_passes(tree, "ruff", "format", "--check", ".")
    assert_passes(tree, "mypy", *CHECKED)


def test_the_example_passes_the_unit_tests(tree: Path) -> None:
    assert_passes(
        tree, "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/unit/{name}" for name in UNIT_TESTS)
    )


class SystemOf(System):
    """A system that runs the programs of ``tree`` with a Kafka that runs already."""

    def __init__(self, folder: Path, tree: Path, broker: str, name: str) -> None:
        super().__init__(folder)
        self._environment = {"PYTHONPATH": str(tree), "LIBRARY_KAFKA": broker, "LIBRARY_NAME": name}

    @property
    def environment(self) -> dict[str, str]:
        """The tests' own, with the tree to run and the Kafka to use."""
        return super().environment | self._environment


@pytest.fixture
def system(broker: str, tree: Path, tmp_path: Path) -> Iterator[SystemOf]:
    """The example's system, with the data of one without the example."""
    name = f"test-{uuid4().hex[:12]}"
    before = SystemOf(tmp_path, ROOT, broker, name)
    with before.running():
        for isbn in (RELOCATED, BORROWED, UNTOUCHED):
            before.done("add", isbn, "Elixir in Action", "Sasa Juric", "2")
        before.done("borrow", BORROWED, "ann", "--wait")
        before.done("borrow", RELOCATED, "ann", "--wait")
    after = SystemOf(tmp_path, tree, broker, name)
    with after.running():
        yield after


def row_schemas(settings: Settings) -> dict[str, int]:
    """The schema id of each title's row in the table's changelog."""
    return {
        isbn.decode(): int.from_bytes(row[1:5], "big")
        for partition in range(settings.partitions)
        for isbn, row in next(table_parts(settings, INVENTORY, partition, dict[bytes, bytes]())).rows.items()
    }


def test_the_example_works_from_the_command_to_the_api_and_verify(system: SystemOf) -> None:
    receipt = system.done("relocate", RELOCATED, " B 7 ", "--wait")
    assert receipt.startswith(f"{RELOCATED} version 3: relocated (position ")
    assert "unchanged" in system.done("relocate", RELOCATED, "B 7")
    assert system.library("relocate", RELOCATED, "x" * 101).returncode == exits.MALFORMED
    assert system.library("relocate", "9780000000002", "B 7").returncode == exits.REFUSED
    system.done("return", BORROWED, "ann", "--wait")

    title = system.get(f"/inventory/{RELOCATED}").value
    assert (title["shelf"], title["version"], title["on_loan"]) == ("B 7", 3, 1)
    assert "shelf" not in system.get(f"/inventory/{RELOCATED}", version="2").value
    event = system.get(f"/inventory/{RELOCATED}/history").value["items"][2]
    assert (event["type"], event["data"]) == ("BookRelocated", {"shelf": "B 7"})
    assert system.get(f"/inventory/{RELOCATED}", at=event["time"]).value == title
    assert json.loads(system.done("inventory", RELOCATED, "--json")) == title

    assert system.done("inventory").splitlines() == [
        "isbn\ttitle\tauthor\tquantity\tavailable\ton_loan\tshelf",
        f"{UNTOUCHED}\tElixir in Action\tSasa Juric\t2\t2\t0\t",
        f"{RELOCATED}\tElixir in Action\tSasa Juric\t2\t1\t1\tB 7",
        f"{BORROWED}\tElixir in Action\tSasa Juric\t2\t2\t0\t",
    ]
    header, *rows = system.on_terminal("inventory", NO_COLOR="1").splitlines()
    assert header.split()[-1] == "shelf"
    assert [row.endswith("B 7") for row in map(str.rstrip, rows)] == [False, True, False]

    assert row_schemas(system.settings) == {UNTOUCHED: OLD_ROW, RELOCATED: NEW_ROW, BORROWED: NEW_ROW}
    system.done("verify")
    system.done("replay", "--to-beginning")
    assert set(row_schemas(system.settings).values()) == {NEW_ROW}
    system.done("verify")
    assert system.get(f"/inventory/{RELOCATED}").value == title
    log = system.done("logs", "projector", "--lines", "10000")
    assert '"message": "ready"' in log
    assert "fast path" not in log
