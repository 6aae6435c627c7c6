"""Borrowers are forgotten while the leader of their names is killed or frozen, and leave all three disks."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from eventstore.append.deadline import Deadline
from foundation.cli import exits
from foundation.settings import Settings
from inventory.commands import BorrowBook, Command, ReturnBook
from inventory.patrons import PatronState
from library.commands.patron import patron
from library.process.ports import HOST
from producer.client import execute
from producer.names.erasures import is_rolled, roll
from producer.names.forgetting import forget
from producer.names.names import Names
from schemas.topics import ensure_names_topic, ensure_topics, names_topic
from tests.support.library.command_runner import run_command
from tests.support.producer.named_store import directory, loans, names_records
from tests.support.producer.writer_calls import ADD, ISBN, accepted
from tests.support.stable_ports import stable_ports
from tests.support.stores import alter_topic
from tests.support.waiting import eventually
from tests.three_brokers.cluster import Cluster
from tests.three_brokers.restarted_programs import RestartedProgram

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FIRST, SECOND, KEPT = "card-0048213-xyzzy", "card-0048214-xyzzy", "card-0048215-xyzzy"
SHORT_MS = 2_000
DEADLINE_S = 60.0


@pytest.fixture
def store(cluster: Cluster, tmp_path: Path) -> Settings:
    """A title; two borrowers who have returned it, and one who has it. Segments of names are closed soon."""
    port = stable_ports(1)[0]
    settings = Settings(
        kafka=cluster.bootstrap,
        name=f"test-{uuid4().hex[:12]}",
        data_dir=str(tmp_path / "data"),
        partitions=1,
        replication=3,
        gateway="",
        port=port,
        api=f"http://{HOST}:{port}",
        deadline=DEADLINE_S,
    )
    admin, topic = cluster.admin(), names_topic(settings)
    ensure_topics(admin, settings)
    ensure_names_topic(admin, settings)
    short = dict.fromkeys(("segment.ms", "max.compaction.lag.ms"), str(SHORT_MS))
    alter_topic(admin, topic, short)
    commands: list[Command] = [ADD]
    for user in (FIRST, SECOND):
        commands += [BorrowBook(ISBN, user), ReturnBook(ISBN, user)]
    for number, command in enumerate([*commands, BorrowBook(ISBN, KEPT)]):
        accepted(execute(settings, f"before-{number}", command))
    return settings


def test_a_lost_leader_of_the_names_keeps_no_borrower_and_loses_none(cluster: Cluster, store: Settings):
    before = dict(names_records(store))
    tokens = {user: directory(store).token_of(user) or "" for user in (FIRST, SECOND, KEPT)}
    for user, lose in ((FIRST, cluster.kill), (SECOND, cluster.freeze)):
        leader = cluster.leader(names_topic(store), 0)
        state = forgotten_at_last(store, user, at("looked", lambda: lose(leader)))  # noqa: B023
        assert state in ("forgotten", "unknown")
        cluster.heal()
    after = directory(store)
    assert after.forgotten.keys() == {tokens[FIRST], tokens[SECOND]}
    assert list(after) == [(tokens[KEPT], KEPT)]
    assert dict(names_records(store))[tokens[KEPT].encode()] == before[tokens[KEPT].encode()]
    assert loans(store) == {(ISBN, tokens[KEPT])}
    # The forgotten come back with new tokens, and the one who was kept still has the loan
    accepted(execute(store, "back", BorrowBook(ISBN, FIRST)))
    accepted(execute(store, "return", ReturnBook(ISBN, KEPT)))
    assert directory(store).token_of(FIRST) not in (None, tokens[FIRST])
    assert_gone_from_all_disks(cluster, store, tokens[SECOND])


def at(step: str, do: Callable[[], None]) -> Callable[[str], None]:
    left = [do]

    def reached(passed: str) -> None:
        if passed == step and left:
            left.pop()()

    return reached


def forgotten_at_last(store: Settings, user: str, reached: Callable[[str], None]) -> str:
    """Forget the borrower while ``reached`` breaks something; repeat that until it has an answer."""
    result = forget(Names(store), user, 5.0, reached=reached)

    def repeated() -> PatronState | None:
        again = forget(Names(store), user, DEADLINE_S)
        return again if isinstance(again, PatronState) else None

    return (result if isinstance(result, PatronState) else eventually(repeated)).state


def assert_gone_from_all_disks(cluster: Cluster, store: Settings, token: str) -> None:
    names = Names(store)
    names.refresh(Deadline(DEADLINE_S))
    eventually(lambda: rolled(names))
    names.close()
    with ExitStack() as stack:
        for program in (("projector", "--index", "0"), ("query_api",)):
            stack.callback(RestartedProgram(store, program[0], *program).stop)
        eventually(lambda: is_ready(store))
        files = [part for folder in cluster.folders for part in ("--files", str(folder))]

        def proof() -> dict[str, Any]:
            done = run_command(patron, store, "proof", token, "--user", SECOND, "--json", *files)
            assert done.exit_code in (exits.DONE, exits.NOT_FOUND), done.stderr
            report: dict[str, Any] = json.loads(done.stdout)
            return report

        eventually(lambda: proof()["state"] == "gone on all 3 brokers", pause=1.0)


def rolled(names: Names) -> bool:
    roll(names, SHORT_MS, DEADLINE_S)
    return is_rolled(names.directory, SHORT_MS)


def is_ready(store: Settings) -> bool:
    try:
        return httpx.get(f"{store.api}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
