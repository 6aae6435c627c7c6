"""docker-compose.yml, as a user meets it: up, used, killed, down, up again, scaled."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from stdnum import ean

from eventstore.partitions import partition_of
from foundation.cli import exits
from schemas.tables import inventory_table
from tests.containers.callers import Callers, is_done
from tests.containers.engine import Engine
from tests.containers.images import Images
from tests.containers.system import System
from tests.support.projector.topic_damage import write_changelog
from tests.support.query_api.after_reader import AfterReader
from tests.support.waiting import eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

ISBN = "9781593275846"
ELIXIR = f"/inventory/{ISBN}"
TITLES = 24
"""Of those under fire: enough for all partitions."""
KILLS = 2
PROGRAMMING = "/inventory/9781680502992"


@pytest.fixture(scope="module")
def system(engine: Engine, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Up and healthy; the tests of this module follow each other on it."""
    system = System(engine, images, tmp_path_factory.mktemp("elsewhere"))
    try:
        system.up()
        yield system
    finally:
        system.remove()


def test_the_readme_example_works_in_compose(system: System) -> None:
    for command in (
        ("add", "978-1593275846", "Elixir in Action", "Sasa Juric", "10"),
        ("add", "978-1680502992", "Programming Elixir 1.6", "Dave Thomas", "5"),
        ("borrow", "978-1593275846", "user123"),
        ("remove", "978-1680502992"),
    ):
        done = system.library(*command, "--wait")
        assert done.returncode == exits.DONE, done.stderr
    assert _row(system) == {"quantity": 10, "available": 9, "on_loan": 1, "version": 2}
    assert system.get(PROGRAMMING)[0] == 410
    assert system.library("borrow", "978-1593275846", "user123").returncode == exits.REFUSED


def test_no_container_runs_as_root(system: System) -> None:
    for service in ("projector", "query_api", "gateway", "audit"):
        assert system.compose("exec", "-T", service, "id", "-u").strip() == "10001"


def test_events_acknowledged_just_before_a_broker_is_killed_survive(system: System) -> None:
    isbns = _added(system, 1)
    sure = Counter(isbns)
    for _ in range(KILLS):
        with Callers(system.gateway, isbns) as callers:
            eventually(lambda callers=callers: callers.acknowledged.total() > TITLES)
            system.kill("kafka")
        sure += callers.acknowledged
    for isbn in isbns:
        # A transaction that lost its end would keep all that follows it from being decided and read
        more = {"type": "AddCopies", "isbn": isbn, "quantity": 1}
        eventually(lambda more=more: is_done(system.gateway, **more))
        at_least = sure[isbn] + 1
        eventually(lambda i=isbn, n=at_least: system.get(f"/inventory/{i}")[1]["quantity"] >= n)


def test_ports_are_published_on_this_machine_only(system: System) -> None:
    published = [port for port in system.ports() if "->" in port]
    assert len(published) >= 3
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_down_leaves_only_kafkas_volume(system: System) -> None:
    assert system.volumes() == {f"{system.project}_kafka"}


@pytest.mark.parametrize("service", ["kafka", "projector", "query_api", "gateway"])
def test_a_killed_container_restarts_without_losing_data(system: System, service: str) -> None:
    before = _row(system)["quantity"], system.restarts(service)
    system.kill(service)
    command = ("copies", "add", "978-1593275846", "1", "--command-id", uuid4().hex)
    eventually(lambda: system.library(*command).returncode == exits.DONE)
    eventually(lambda: _row(system)["quantity"] == before[0] + 1)
    assert system.restarts(service) > before[1]


def test_data_survives_compose_down_and_up(system: System) -> None:
    row, history = _row(system), system.get(f"{ELIXIR}/history")
    system.compose("down")
    assert system.compose("ps", "--all", "--quiet") == ""
    system.up()
    assert _row(system) == row
    assert system.get(f"{ELIXIR}/history") == history
    assert system.get(PROGRAMMING)[0] == 410


def test_projector_and_query_api_scale(system: System) -> None:
    system.up("--scale=projector=2", "--scale=query_api=2")
    quantity = _row(system)["quantity"]
    done = system.library("copies", "add", "978-1593275846", "1", "--wait")
    assert done.returncode == exits.DONE, done.stderr
    for api in system.apis(2):
        eventually(lambda api=api: system.get(ELIXIR, api)[1]["quantity"] == quantity + 1)
    eventually(lambda: "2 running" in system.library("doctor").stdout, pause=1)


def test_a_rebuild_beside_live_changes_both_query_apis_without_a_refused_request(system: System) -> None:
    """The commands of docs/operations.md, with two query APIs and two projectors."""
    apis, quantity = system.apis(2), _row(system)["quantity"]
    with AfterReader(ISBN, apis) as reader:
        _rebuild(system, "start")
        system.compose("--profile", "rebuild", "up", "--detach", "--wait", "rebuild")
        eventually(lambda: _is_rebuilt(system), pause=1)
        _rebuild(system, "diff")
        _rebuild(system, "switch")
        assert [eventually(lambda api=api: _table(system, api) == 2) for api in apis]
        _rebuild(system, "rollback")
        assert [eventually(lambda api=api: _table(system, api) == 1) for api in apis]
        _rebuild(system, "switch")
        assert [eventually(lambda api=api: _table(system, api) == 2) for api in apis]
        restarts = system.restarts("projector")
        _rebuild(system, "drop", "--yes")
        # Their table is gone: they end, and the engine starts them with the other one
        eventually(lambda: system.restarts("projector") >= restarts + 2)
        system.compose("--profile", "rebuild", "rm", "--stop", "--force", "rebuild")
        added = system.library("copies", "add", ISBN, "1", "--wait")
        assert added.returncode == exits.DONE, added.stderr
        eventually(lambda: [table["workers"] for table in _tables(system)] == [2], pause=1)
        reader.read_each()
    reader.check()
    assert (reader.refused, reader.away) == ([], set())
    for api in apis:
        assert eventually(lambda api=api: system.get(ELIXIR, api)[1]["quantity"] == quantity + 1)


def test_the_audit_follows_the_table_and_finds_a_lost_row_and_a_stopped_projector(system: System) -> None:
    group = inventory_table(2).group_id(system.settings)
    eventually(lambda: _audit(system)["group"] == group and not _audit(system)["differences"], pause=1)
    partition = partition_of(ISBN, system.settings.partitions)
    write_changelog(system.settings, partition, [(ISBN.encode(), None)], inventory_table(2))
    eventually(lambda: [one["isbn"] for one in _audit(system)["details"]] == [ISBN], pause=1)
    shown = eventually(lambda: system.get("/operations")[1]["audit"]["details"])
    assert (shown[0]["isbn"], shown[0]["summary"]) == (ISBN, "the row is missing")
    once = system.library("audit", "--once")
    assert once.returncode == exits.NOT_FOUND, once.stderr
    assert ISBN in once.stdout

    system.compose("stop", "projector")
    # Its row is written again as soon as a projector sees this
    assert is_done(system.gateway, type="AddCopies", isbn=ISBN, quantity=1)
    eventually(lambda: any(s["seconds"] for s in _audit(system)["stalls"] if s["group"] == group), pause=1)
    system.compose("start", "projector")
    eventually(lambda: not _audit(system)["differences"], pause=1)
    eventually(lambda: not any(s["seconds"] for s in _audit(system)["stalls"]), pause=1)


def test_gateways_scale_and_the_others_take_commands_when_one_is_killed(system: System) -> None:
    system.up("--scale=gateway=3")
    urls = system.gateways(3)
    eventually(lambda: _share(system, urls))
    isbns = _added(system, 1 + TITLES)
    with Callers(urls[1], isbns) as callers:
        eventually(lambda: callers.acknowledged.total() > TITLES)
        system.kill("gateway", 1)
        # Meanwhile the group finds out, and the engine starts it again
        done = system.library("copies", "add", isbns[0], "1", gateway=",".join(urls))
        assert done.returncode == exits.DONE, done.stderr
        more = callers.acknowledged.total() + TITLES
        eventually(lambda: callers.acknowledged.total() > more)
        eventually(lambda: _share(system, system.gateways(3)))
    assert not callers.failed


def test_three_brokers_keep_serving_after_losing_one(
    engine: Engine, images: Images, tmp_path: Path, system: System
) -> None:
    system.compose("stop")  # six JVMs would be more than a small machine holds
    options = Path(__file__).parents[2] / "docker-compose.three.env"
    three = System(engine, images, tmp_path, f"--env-file={options}")
    try:
        three.up()
        added = three.library("add", "978-1593275846", "Elixir in Action", "Sasa Juric", "10", "--wait")
        assert added.returncode == exits.DONE, added.stderr
        three.compose("kill", "--signal=KILL", "kafka2")
        borrow = ("borrow", "978-1593275846", "user123", "--command-id", uuid4().hex)
        eventually(lambda: three.library(*borrow).returncode == exits.DONE)
        eventually(lambda: (answer := three.get(ELIXIR))[0] == 200 and answer[1]["on_loan"] == 1)
    finally:
        three.remove()


def _added(system: System, first: int) -> list[str]:
    """TITLES new titles, numbered from ``first``: they are in all partitions."""
    isbns = [f"979{n:09d}" for n in range(first, first + TITLES)]
    isbns = [isbn + str(ean.calc_check_digit(isbn)) for isbn in isbns]
    gateway = system.gateway
    for isbn in isbns:
        assert is_done(gateway, type="AddBook", isbn=isbn, title=f"Title {isbn}")
    return isbns


def _rebuild(system: System, *arguments: str) -> str:
    """Run a command of `library rebuild` where a machine without our programs has them."""
    return system.compose("exec", "-T", "query_api", "library", "rebuild", *arguments)


def _tables(system: System) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _rebuild(system, "status", "--json").splitlines()]


def _is_rebuilt(system: System) -> bool:
    """Whether a second table has everything that the store had a moment ago."""
    found = _tables(system)
    return [table["role"] for table in found] == ["current", "rebuilt"] and not found[1]["lag"]


def _table(system: System, api: str) -> object:
    return system.get("/readyz", api)[1]["table"]


def _audit(system: System) -> dict[str, Any]:
    """The audit's own report: it is not published."""
    read = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8082/readyz').read().decode())"
    report: dict[str, Any] = json.loads(system.compose("exec", "-T", "audit", "python", "-c", read))
    return report


def _share(system: System, gateways: list[str]) -> bool:
    """Whether each has partitions of its own, and knows the others'."""
    reports = [system.get("/readyz", gateway)[1] for gateway in gateways]
    if not all(isinstance(report, dict) for report in reports):
        return False
    mine = [set(report["partitions"]) for report in reports]
    others = [set().union(*report["others"].values()) for report in reports]
    everything = set().union(*mine)
    return all(mine) and all(a | b == everything and not a & b for a, b in zip(mine, others, strict=True))


def _row(system: System) -> dict[str, int]:
    status, row = system.get(ELIXIR)
    assert status == 200, row
    return {name: row[name] for name in ("quantity", "available", "on_loan", "version")}
