"""Writers, projector and readers while leaders, coordinators and controllers are killed and frozen."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from eventstore.partitions import partition_of
from eventstore.state.outcomes import submit
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.commands import AddBook
from library.process.ports import HOST
from producer.writers import writer_of
from schemas.reader import open_reader
from schemas.topics import ensure_topics
from tests.support.live_producers import live_producers
from tests.support.projector.table_check import Rows, assert_exact
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually
from tests.three_brokers.clients import Clients
from tests.three_brokers.cluster import Cluster
from tests.three_brokers.history import Call, violations
from tests.three_brokers.restarted_programs import RestartedProgram

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ISBNS = ["9781593275846", "9781680502992", "9780141439518", "9780261103573", "9780131103627", "9780596007126"]
CLIENTS = 3
WORKERS = 2
LIMIT = 90.0
"""Seconds within which commands must be answered again after a broker was lost."""


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Settings:
    name = f"test-{uuid4().hex[:12]}"
    settings = Settings(
        kafka=cluster.bootstrap,
        name=name,
        data_dir=str(tmp_path),
        partitions=3,
        replication=3,
        port=stable_ports(1)[0],
    )
    ensure_topics(cluster.admin(), settings)
    return settings


@contextmanager
def running(settings: Settings) -> Iterator[dict[str, RestartedProgram]]:
    """Two workers of the projector, the query API, and a consumer group that prints events."""
    programs: dict[str, tuple[str, ...]] = {
        f"projector-{n}": ("projector", "--index", str(n)) for n in range(WORKERS)
    }
    programs |= {
        "api": ("query_api",),
        "reader": ("library", "events", "--group", f"{settings.name}-reader", "--follow"),
    }
    with ExitStack() as stack:
        kept = {}
        for name, arguments in programs.items():
            kept[name] = RestartedProgram(settings, name, *arguments)
            stack.callback(kept[name].stop)
        yield kept


def test_frozen_and_killed_brokers_lose_and_repeat_no_event(cluster: Cluster, settings: Settings) -> None:
    producers = live_producers()
    first = added(settings)
    with running(settings) as kept:
        clients = Clients(settings, ISBNS, CLIENTS)
        try:
            for role in ("leader", "coordinator", "controller"):
                for lose in (killed, frozen):
                    lose(cluster, victim(cluster, settings, role))
                    cluster.wait_until_whole()
                    goes_on(clients)
        finally:
            clients.stop()
        assert live_producers() <= producers
        history = first + clients.history
        with open_reader(settings=settings) as reader:
            events = list(reader)
        assert violations(events, history) == []
        rows = assert_exact(settings, limit=LIMIT)
        eventually(lambda: answered_over_http(settings) == in_short(rows), limit=LIMIT)
        print(f"{len(history)} commands, {len(events)} events, restarts {restarts(kept)}")
        in_log = {(event.event.isbn, event.version) for event in events}
        eventually(lambda: printed(kept["reader"].out) == in_log, limit=LIMIT)
        assert not [name for name, program in kept.items() if program.hopeless]


def restarts(kept: dict[str, RestartedProgram]) -> dict[str, int]:
    return {name: program.restarts for name, program in kept.items()}


def killed(cluster: Cluster, node: int) -> None:
    """kill -9, and started again when others have taken over."""
    cluster.kill(node)
    eventually(lambda: node not in cluster.leaders(), pause=0.2)
    cluster.start(node)


def frozen(cluster: Cluster, node: int) -> None:
    """Frozen, and thawed when others have taken over."""
    cluster.freeze(node)
    eventually(lambda: node not in cluster.leaders(), pause=0.2)
    cluster.thaw(node)


def victim(cluster: Cluster, settings: Settings, role: str) -> int:
    events = events_topic(settings)
    match role:
        case "leader":
            return cluster.leader(events, 0)
        case "coordinator":
            return cluster.coordinator(f"{events}-1")
        case _:
            return eventually(lambda: max(cluster.controller(), 0))


def goes_on(clients: Clients) -> None:
    """Commands are answered again, by the dozen."""
    before = clients.answered
    eventually(lambda: clients.answered > before + 12 * CLIENTS, limit=LIMIT)


def added(settings: Settings) -> list[Call]:
    """The titles."""
    history = []
    for isbn in ISBNS:
        call = Call(uuid4().hex, AddBook(isbn, f"Title {isbn}", quantity=2), 0.0, 0.0)
        writer = writer_of(settings, partition_of(isbn, settings.partitions))
        (call.outcome,) = writer.execute([submit(call.command_id, call.command)], 30.0)
        writer.close()
        history.append(call)
    return history


def printed(out: Path) -> set[tuple[str, int]]:
    """Titles and versions that the consumer group has printed; each title's without a gap."""
    last: dict[str, int] = defaultdict(int)
    for line in out.read_text("utf-8").splitlines():
        event = json.loads(line)
        assert event["version"] <= last[event["isbn"]] + 1, f"{line} after version {last[event['isbn']]}"
        last[event["isbn"]] = max(last[event["isbn"]], event["version"])
    return {(isbn, version) for isbn, highest in last.items() for version in range(1, highest + 1)}


def answered_over_http(settings: Settings) -> dict[str, tuple[int, int]]:
    """Version and copies on the shelf of each title."""
    try:
        answer = httpx.get(f"http://{HOST}:{settings.port}/inventory", timeout=10)
    except httpx.HTTPError:
        return {}
    return {row["isbn"]: (row["version"], row["available"]) for row in answer.json().get("items", [])}


def in_short(rows: Rows) -> dict[str, tuple[int, int]]:
    return {isbn: (row.version, row.available) for isbn, row in rows.items()}
