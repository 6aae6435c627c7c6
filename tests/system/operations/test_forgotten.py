"""A borrower is forgotten in a whole system: every byte of the name goes, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from schemas.topics import names_topic
from tests.support.library.installed_system import System
from tests.support.stores import alter_topic
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
ISBN = "9781593275846"
USER, OTHER = "card-0048213-xyzzy", "card-0048214-xyzzy"
SHORT_MS = 2_000


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    made = System(tmp_path)
    with made.running():
        shorten(made)
        yield made


def shorten(system: System) -> None:
    """Let Kafka close segments of the names after seconds instead of an hour."""
    short = dict.fromkeys(("segment.ms", "max.compaction.lag.ms"), str(SHORT_MS))
    alter_topic(AdminClient(client_config(system.settings)), names_topic(system.settings), short)
    system.done("restart", "gateway")


def proof(system: System, token: str, user: str) -> dict[str, Any]:
    done = system.library("patron", "proof", token, "--user", user, "--json")
    assert done.returncode in (0, 4), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 4) == (report["state"] == "pending")
    return report


def borrowers(system: System) -> set[tuple[str | None, str]]:
    items = system.get(f"/inventory/{ISBN}/history").value["items"]
    return {(i["data"]["user_id"], i["data"]["patron"]) for i in items if "patron" in i["data"]}


def test_a_forgotten_name_leaves_every_file_and_nothing_else_changes(system: System, tmp_path: Path):
    system.done("add", ISBN, "Elixir in Action", "Saša Jurić", "2")
    system.done("borrow", ISBN, USER)
    system.done("borrow", ISBN, OTHER, "--wait")
    system.done("return", ISBN, USER, "--wait")
    tokens = dict(borrowers(system))
    row = system.get(f"/inventory/{ISBN}").value
    early = tmp_path / "early.names"
    system.done("backup", "--names", str(early))
    assert proof(system, tokens[USER], USER)["state"] == "pending"

    system.done("patron", "forget", USER)
    eventually(lambda: system.get(f"/patrons/{tokens[USER]}").status == 404)
    eventually(lambda: proof(system, tokens[USER], USER)["state"] == "gone on all 1 brokers")
    eventually(lambda: "library_erasures_pending 0.0" in metrics(system))
    assert proof(system, tokens[OTHER], OTHER)["state"] == "pending"

    assert borrowers(system) == {(None, tokens[USER]), (OTHER, tokens[OTHER])}
    assert system.get(f"/inventory/{ISBN}").value == row
    system.done("verify")
    system.done("replay", "--to-beginning")
    eventually(system.runs)
    system.done("verify")
    assert system.get(f"/inventory/{ISBN}").value == row
    system.done("backup", str(tmp_path / "events"))
    system.done("restore", "--names", str(early))
    loans = json.loads(system.done("loans", "--json"))
    assert (loans["user_id"], loans["patron"]) == (OTHER, tokens[OTHER])
    assert system.library("patron", "show", tokens[USER]).returncode == 4
    assert proof(system, tokens[USER], USER)["state"] == "gone on all 1 brokers"
    restored(tmp_path, early, tokens)


def restored(tmp_path: Path, names: Path, tokens: dict[str | None, str]) -> None:
    """A new system from both backups has the same history; the file of names is from before the erasure."""
    (tmp_path / "again").mkdir()
    again = System(tmp_path / "again", partitions=3)
    with again.running():
        again.done("stop", "gateway")
        again.done("restore", str(tmp_path / "events"))
        again.done("restore", "--names", str(names))
        again.done("start", "gateway")
        eventually(lambda: again.get(f"/inventory/{ISBN}").status == 200)
        assert {token for _, token in borrowers(again)} == set(tokens.values())


def metrics(system: System) -> str:
    return httpx.get(f"http://127.0.0.1:{system.port}/metrics", timeout=20).text
