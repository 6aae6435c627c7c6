"""``library rebuild`` without a supervisor: refusals, differences, and kills at named points."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from foundation.cli import exits
from foundation.kafka_clients import client_config
from foundation.settings import PREFIX, Settings
from schemas.events import BookAdded, CopiesAdded
from schemas.row import Held
from schemas.tables import Tables, inventory_table, read_tables
from schemas.topics import changelog_topic, identify
from tests.support.projector.library_command import library
from tests.support.projector.worker_process import crew_of
from tests.support.query_api.store_writer import StoreWriter
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually

A, B = "9781593275846", "9781680502992"
AT = 1_700_000_000_000


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A system of which nothing runs but Kafka."""
    (port,) = stable_ports(1)
    return new_settings(partitions=2, api=f"http://127.0.0.1:{port}")


def admin_of(settings: Settings) -> AdminClient:
    return AdminClient(client_config(settings))


def tables(settings: Settings) -> Tables:
    return read_tables(admin_of(settings), settings)


def topics(settings: Settings) -> set[str]:
    found = admin_of(settings).list_topics(timeout=5).topics
    return {str(name) for name in found if name.startswith(settings.name)}


def status(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in library(settings, "rebuild", "status", "--json").stdout.splitlines()]


def done(settings: Settings, *arguments: str) -> str:
    """Run a command of `library rebuild`, check that it ends with 0, and return what it prints."""
    ended = library(settings, "rebuild", *arguments)
    assert ended.returncode == exits.DONE, ended.stderr
    return ended.stdout + ended.stderr


def filled(settings: Settings) -> StoreWriter:
    """Two titles, in table 1."""
    writer = StoreWriter(settings, identify(admin_of(settings), settings))
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    return writer


def rebuilt(settings: Settings) -> StoreWriter:
    """Both titles in table 2 as well, whose group has read everything."""
    writer = filled(settings)
    done(settings, "start")
    with crew_of(settings) as crew:
        crew.start(table="newest")
        crew.start(index=1)
        eventually(lambda: [table["lag"] for table in status(settings)] == [0, 0])
    writer.changelog = inventory_table(2).changelog(settings)
    return writer


def test_a_second_table_is_compared_switched_to_and_dropped(settings: Settings):
    writer = rebuilt(settings)
    assert "0 of 2 titles differ" in done(settings, "diff")
    # Both are in one partition
    assert "0 of 1 titles differ" in done(settings, "diff", "--sample", "1")
    first, second = status(settings)
    assert (first["role"], second["role"]) == ("current", "rebuilt")
    assert second["lag_seconds"] == 0

    # A row that another fold would have made
    row = replace(writer.rows[A], quantity=5)
    writer.write([row], {})
    found = library(settings, "rebuild", "diff", "--json")
    assert found.returncode == exits.NOT_FOUND
    difference, summary = map(json.loads, found.stdout.splitlines())
    assert (difference["isbn"], difference["fields"]) == (A, ["quantity"])
    assert (summary["titles"], summary["differences"], summary["not_compared"]) == (2, 1, [])
    assert "quantity 2, in the other 5" in library(settings, "rebuild", "diff").stdout

    writer.write([replace(row, held=Held(version=2, offset=9, reason="unknown"))], {})
    refused = library(settings, "rebuild", "switch")
    assert refused.returncode == exits.FAILED
    assert f"1 titles are held in one table and not in the other ({A})" in refused.stderr
    assert tables(settings).current == 1
    assert "overridden: 1 titles are held" in done(settings, "switch", "--force")
    assert tables(settings).current == 2
    assert "counts already" in done(settings, "switch")
    assert library(settings, "rebuild", "start").returncode == exits.FAILED, "table 1 still exists"

    done(settings, "rollback", "--force")
    assert (tables(settings).current, tables(settings).other) == (1, 2)
    done(settings, "switch", "--force")
    assert "table 1 was freed" in done(settings, "drop", "--yes")
    assert tables(settings).numbers == [2]
    eventually(lambda: inventory_table(1).changelog(settings) not in topics(settings))
    assert "nothing was freed" in done(settings, "drop", "--yes")
    assert library(settings, "rebuild", "switch").returncode == exits.NOT_FOUND

    # Every other command knows the table that counts
    found = library(settings, "verify", "--table-only")
    assert found.returncode == exits.NOT_FOUND, found.stderr
    assert "quantity 5, not 2" in found.stdout
    assert A in library(settings, "held", "list").stdout
    backup = f"{settings.data_dir}/a.backup"
    assert library(settings, "backup", backup).returncode == exits.DONE
    assert library(settings, "topics", "create").returncode == exits.DONE
    assert inventory_table(1).changelog(settings) not in topics(settings)


def test_a_switch_is_refused_while_the_new_table_is_behind(settings: Settings):
    filled(settings)
    done(settings, "start")
    refused = library(settings, "rebuild", "switch")
    assert refused.returncode == exits.FAILED
    assert re.search(r"table 2 is \d records behind", refused.stderr), refused.stderr
    assert tables(settings).current == 1


def test_a_rebuild_that_is_given_up_leaves_the_first_table(settings: Settings):
    filled(settings)
    done(settings, "start")
    assert "table 2 was freed; answers come from table 1" in done(settings, "drop", "--yes")
    eventually(lambda: inventory_table(2).changelog(settings) not in topics(settings))
    done(settings, "start")
    assert tables(settings).numbers == [1, 3], "no number is used twice"


def test_a_drop_asks_first(settings: Settings):
    filled(settings)
    done(settings, "start")
    unanswered = library(settings, "rebuild", "drop")
    assert unanswered.returncode == exits.FAILED
    assert "Free table 2, which was rebuilt? Answers come from table 1" in unanswered.stdout
    assert "give --yes" in unanswered.stderr
    assert tables(settings).numbers == [1, 2]


def test_a_start_that_makes_no_sense_makes_no_topics(settings: Settings):
    misspelt = replace(settings, name=f"{settings.name}-misspelt")
    refused = library(misspelt, "rebuild", "start")
    assert refused.returncode == exits.BAD_DATA
    assert f"topic {misspelt.name}.events is missing" in refused.stderr
    many = library(settings, "rebuild", "start", "--workers", "5")
    assert many.returncode == exits.MALFORMED
    assert "--workers 5 is too many for 2 partitions" in many.stderr
    # The names of both begin with that of the system
    assert topics(settings) == {f"{settings.name}.events", changelog_topic(settings)}


def killed(settings: Settings, point: str, *arguments: str) -> None:
    """Run a command of `library rebuild` that kills itself at the point."""
    told = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in Settings.__struct_fields__}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.library.killed_rebuild", point, "rebuild", *arguments],
        env={**os.environ, **told},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize("point", ["before-record", "after-record", "after-topics"])
def test_a_killed_start_can_be_repeated(settings: Settings, point: str):
    filled(settings)
    killed(settings, point, "start")
    assert tables(settings).current == 1
    done(settings, "start")
    assert tables(settings).numbers == [1, 2]
    assert inventory_table(2).changelog(settings) in topics(settings)


@pytest.mark.slow
def test_a_killed_switch_or_rollback_leaves_one_of_both_says_which_and_can_be_repeated(settings: Settings):
    rebuilt(settings)
    for command, before, after in (("switch", 1, 2), ("rollback", 2, 1)):
        killed(settings, "before-record", command)
        assert counting(settings) == tables(settings).current == before
        killed(settings, "after-record", command)
        assert counting(settings) == tables(settings).current == after
        assert f"table {after} counts already" in done(settings, command)
    killed(settings, "before-record", "switch")
    assert "table 2 counts now" in done(settings, "switch")


def counting(settings: Settings) -> int:
    """The table that `library rebuild status` calls the current one."""
    (number,) = [table["table"] for table in status(settings) if table["role"] == "current"]
    return int(number)


@pytest.mark.slow
def test_a_second_table_whose_worker_is_killed_half_way_is_completed_by_the_next_one(settings: Settings):
    writer = filled(settings)
    writer.commit(*(CopiesAdded(A, 1, AT) for _ in range(20)))
    done(settings, "start")
    with crew_of(settings) as crew:
        # It has written rows, and not committed how far it has read
        half = crew.start(faults="die:after-append:1", table="newest")
        assert half.ended() == -signal.SIGKILL
        first, second = status(settings)
        assert (first["role"], second["role"]) == ("current", "rebuilt")
        assert second["lag"]
        assert "behind" in library(settings, "rebuild", "switch").stderr
        crew.start(table="newest")
        eventually(lambda: status(settings)[1]["lag"] == 0)
        crew.start(index=1)
        eventually(lambda: status(settings)[0]["lag"] == 0)
    assert "0 of 2 titles differ" in done(settings, "diff")


@pytest.mark.parametrize("point", ["before-record", "after-record", "before-removal", "half-removed"])
def test_a_killed_drop_can_be_repeated(settings: Settings, point: str):
    filled(settings)
    done(settings, "start")
    killed(settings, point, "drop", "--yes")
    assert tables(settings).current == 1
    done(settings, "drop", "--yes")
    assert tables(settings).numbers == [1]
    eventually(lambda: inventory_table(2).changelog(settings) not in topics(settings))


def test_two_commands_at_once_agree(settings: Settings):
    """The fence lets one of them write; the other sees what it wrote."""
    told = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in Settings.__struct_fields__}
    starting = [
        subprocess.Popen([sys.executable, "-m", "library", "rebuild", "start"], env={**os.environ, **told})
        for _ in range(3)
    ]
    assert [process.wait(100) for process in starting] == [exits.DONE] * 3
    found = tables(settings)
    assert (found.numbers, found.newest) == ([1, 2], 2)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Tables) == found
