"""``library audit --once``."""

import json

from msgspec.structs import replace

from foundation.cli import exits
from schemas.events import BookAdded
from tests.support.projector.library_command import library

A, B = "9781593275846", "9781680502992"
AT = 1_700_000_000_000


def test_one_round_ends_with_0_and_with_4_if_rows_differ(settings, writer):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    sound = library(settings, "audit", "--once")
    assert sound.returncode == exits.DONE, sound.stderr
    assert "2 rows match their events, at 0:" in sound.stderr

    writer.write([replace(writer.rows[A], quantity=5)], {})
    wrong = library(settings, "audit", "--once", "--json")
    assert wrong.returncode == exits.NOT_FOUND, wrong.stderr
    difference, summary = map(json.loads, wrong.stdout.splitlines())
    assert difference["isbn"] == A
    assert difference["fields"] == [{"name": "quantity", "expected": 2, "found": 5}]
    assert (summary["rows"], summary["differences"], summary["shown"]) == (2, 1, 1)


def test_one_round_reports_a_table_that_does_not_catch_up_and_one_of_another_store(settings, writer):
    writer.append(BookAdded(A, "T", "A", 2, AT))
    behind = library(replace(settings, deadline=1.0), "audit", "--once")
    assert behind.returncode == exits.FAILED
    assert "the table stays at offset 0" in behind.stderr

    writer.write([], dict.fromkeys(range(2), 9), source="another/store")
    other = library(settings, "audit", "--once")
    assert other.returncode == exits.BAD_DATA
    assert "made from another event store, another/store" in other.stderr
