"""A damaged replica is read again from Kafka, and logged once."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from foundation.settings import Settings
from query_api.replica.replica import FILE
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from tests.support.query_api.loan_traffic import AT, A, number, store_writer
from tests.support.query_api.running_follower import following, query, ready
from tests.support.waiting import eventually

B = number(1)
STATE = (
    "SELECT isbn, version, available, body FROM titles ORDER BY isbn",
    "SELECT place, isbn, version, value, problem FROM events ORDER BY place",
    "SELECT * FROM loans ORDER BY 1, 2",
    "SELECT * FROM checkpoints ORDER BY 1, 2",
    "SELECT * FROM totals",
    "SELECT rowid FROM search WHERE search MATCH 'title' ORDER BY 1",
)


@pytest.mark.parametrize(
    "damage",
    [
        "DROP INDEX titles_by_title",
        "ALTER TABLE titles ADD COLUMN shelf TEXT",
        "UPDATE progress SET rows = 'many'",
        "UPDATE titles SET available = 'some'",
        "UPDATE titles SET body = x'7b'",
        "UPDATE checkpoints SET row = x'00'",
        "DELETE FROM search_docsize",
        "UPDATE totals SET copies = 0",
    ],
)
def test_a_damaged_replica_is_rebuilt_and_logged_once(
    new_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture, damage: str
):
    settings = new_settings(partitions=1)
    events: list[Event] = [BookAdded(isbn, "Title", "A", 2, AT) for isbn in (A, B)]
    for n in range(50):
        events += [BookBorrowed(A, "ann", AT + n, AT + n), BookReturned(A, "ann", AT + n)]
    store_writer(settings).commit(*events, BookBorrowed(B, "bob", AT, AT))
    with following(settings) as follower:
        eventually(lambda: ready(follower))
        sound = [query(follower, statement) for statement in STATE]
    with closing(sqlite3.connect(Path(settings.data_dir) / "api" / FILE, isolation_level=None)) as db:
        db.execute(damage)
    with caplog.at_level(logging.WARNING), following(settings) as follower:
        eventually(lambda: ready(follower))
        assert [query(follower, statement) for statement in STATE] == sound
    assert caplog.text.count("the replica is rebuilt: it is damaged") == 1


def test_damage_that_a_batch_meets_is_no_endless_retry(
    new_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
):
    settings = new_settings(partitions=1)
    writer = store_writer(settings)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    with following(settings) as follower:
        eventually(lambda: ready(follower))
        old = follower.replica
        with closing(sqlite3.connect(Path(settings.data_dir) / "api" / FILE, isolation_level=None)) as db:
            db.execute("UPDATE titles SET version = 'one'")
        writer.commit(BookBorrowed(A, "ann", AT, AT))
        eventually(lambda: follower.replica is not old and ready(follower))
        assert query(follower, "SELECT version, available FROM titles") == [(2, 1)]
    assert caplog.text.count("the replica is rebuilt") == 1
