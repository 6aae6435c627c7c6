"""``library verify`` on the whole system: table and query API, while it is written."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from foundation.cli import exits
from query_api.replica.replica import FILE
from tests.support.library.installed_system import System
from tests.system.end_to_end.test_faults import wait_until_shown, written


def test_verify_finds_a_running_system_consistent(system: System, new_isbn: Callable[[], str]) -> None:
    wait_until_shown(system, [written(system, new_isbn(), 3)[-1] for _ in range(5)])
    removed = new_isbn()
    for command in (("add", removed, "T"), ("remove", removed)):
        system.receipt(*command)
    verifying = system.start("verify", "--json")
    receipts = [written(system, new_isbn(), 2)[-1] for _ in range(5)]
    said, _ = verifying.communicate(timeout=90)
    assert verifying.returncode == exits.DONE, said
    summary = json.loads(said)
    assert (summary["differences"], summary["api"]) == (0, True)
    assert summary["titles"] >= 6
    wait_until_shown(system, receipts)
    assert "titles match their events, in table and query API" in system.library("verify").stderr


def test_verify_names_a_title_that_the_query_api_shows_wrongly(system: System, isbn: str) -> None:
    system.receipt("add", isbn, "T", "A", "3")
    change = "UPDATE titles SET body = CAST(replace(body, ?, ?) AS BLOB) WHERE isbn = ?"
    right, wrong = '"available":3', '"available":7'
    replica = Path(system.settings.data_dir) / "api" / "1" / FILE
    with closing(sqlite3.connect(replica)) as db:
        with db:
            db.execute(change, (right, wrong, int(isbn)))
        done = system.library("verify")
        as_json = system.library("verify", "--json")
        with db:
            db.execute(change, (wrong, right, int(isbn)))
    assert done.returncode == as_json.returncode == exits.NOT_FOUND
    assert done.stdout.splitlines() == ["isbn\twhere\tdifference", f"{isbn}\tapi\tavailable 7, not 3"]
    difference, summary = map(json.loads, as_json.stdout.splitlines())
    assert (difference["isbn"], difference["where"]) == (isbn, "api")
    assert (difference["expected"]["available"], difference["found"]["available"]) == (3, 7)
    assert summary["differences"] == 1
    assert system.library("verify").returncode == exits.DONE
