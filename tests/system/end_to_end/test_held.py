"""A damaged event on the whole system: only its title waits, and everybody who looks can see it."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from eventstore.keys import event_key
from foundation.cli import exits
from schemas.codec import encode
from schemas.events import BookBorrowed
from schemas.patrons import new_token
from tests.support.library.installed_system import System
from tests.support.projector.event_store import EventStore
from tests.support.waiting import eventually
from tests.system.end_to_end.expected_state import assert_as_folded


def test_a_held_title_waits_until_its_event_can_be_applied(
    system: System, new_isbn: Callable[[], str]
) -> None:
    damaged, sound = new_isbn(), new_isbn()
    for isbn in (damaged, sound):
        system.done("add", isbn, "T", "A", "2")
    now = round(time.time() * 1000)
    lent = BookBorrowed(damaged, new_token(), now, now + 1)
    store = EventStore(system.settings)
    store.write_raw((event_key(damaged, 2), encode(lent)[:-3]))
    system.receipt("borrow", sound, "ann")
    held = eventually(lambda: row(system, damaged).get("held"))
    assert (held["version"], row(system, damaged)["available"]) == (2, 2)
    assert "not a BookBorrowed" in held["reason"]
    assert (row(system, sound)["version"], "held" in row(system, sound)) == (2, False)
    assert counted(system) == (1, 1)
    assert "held titles 1" in system.library("status").stderr
    assert system.done("held", "list").splitlines()[1].startswith(damaged)

    # Nobody can decide on a title whose state is unknown; and the event is as damaged as before
    refused = system.library("borrow", damaged, "bob")
    assert refused.returncode != exits.DONE
    assert "library doctor" in refused.stderr
    tried = system.library("held", "retry")
    assert (tried.returncode, tried.stderr.splitlines()[-1]) == (
        exits.NOT_FOUND,
        "0 of 1 titles released, 1 still held",
    )
    assert row(system, damaged)["held"] == held

    store.write(2, lent)
    eventually(lambda: row(system, damaged)["version"] == 2)
    assert row(system, damaged)["available"] == 1
    assert counted(system) == (0, 0)
    assert system.library("held", "retry").stderr == "no title is held\n"
    assert_as_folded(system)


def row(system: System, isbn: str) -> dict[str, Any]:
    """The title as the API shows it."""
    shown: dict[str, Any] = system.get(f"/inventory/{isbn}").value
    return shown


def counted(system: System) -> tuple[int, int]:
    """Held titles by status and metrics."""
    with urllib.request.urlopen(f"{system.settings.api}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (told,) = [line for line in lines if line.startswith("library_held_titles ")]
    return json.loads(system.library("status", "--json").stdout)["held"], int(float(told.split()[1]))
