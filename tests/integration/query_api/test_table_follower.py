"""Query APIs change to another inventory table while they answer, and never go back."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from query_api.following.source import Source
from query_api.following.table_follower import NOTE, TableFollower
from query_api.replica.replica import FILE
from schemas.topics import changelog_topic
from tests.support.query_api.two_tables import TwoTables
from tests.support.waiting import eventually


@pytest.fixture
def two(new_settings: Callable[..., Settings]) -> TwoTables:
    return TwoTables(new_settings(partitions=1))


@contextmanager
def table_follower(settings: Settings) -> Iterator[TableFollower]:
    folder = Path(settings.data_dir) / "api"
    folder.mkdir(parents=True, exist_ok=True)
    follower = TableFollower(Source(settings), folder, lambda _: None)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def shown(follower: TableFollower) -> tuple[int, int]:
    """The position, taken before the version that a reader is shown with it."""
    replica = follower.replica
    assert replica is not None
    assert replica.progress.complete
    position = replica.progress.offsets()[0]
    ((version,),) = replica.connect().execute("SELECT version FROM titles").fetchall()
    return position, version


def test_readers_never_see_an_older_version_or_position_while_the_table_changes(two: TwoTables):
    two.append()
    two.write(1)
    two.write(2)
    ended, seen, problems = threading.Event(), list[tuple[int, int]](), list[Exception]()

    def write() -> None:
        # Each table is behind the other for half of the time
        while not ended.is_set():
            for tables in ((1, 2), (2, 1)):
                two.append()
                for table in tables:
                    two.append()
                    two.write(table)

    def read(follower: TableFollower) -> None:
        try:
            while not ended.is_set():
                seen.append(shown(follower))
        except Exception as error:  # noqa: BLE001 - asserted below
            problems.append(error)

    with table_follower(two.settings) as follower:
        eventually(lambda: follower.ready)
        threads = [threading.Thread(target=write), threading.Thread(target=read, args=[follower])]
        for thread in threads:
            thread.start()
        try:
            for current, other in ((2, 1), (1, 2), (2, 1), (1, 2)):
                two.count(current, other)
                eventually(lambda current=current: follower.table == current)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    assert not problems
    assert all(position >= before for (before, _), (position, _) in pairwise(seen))
    assert all(version >= before for (_, before), (_, version) in pairwise(seen))


def test_answers_stay_with_the_first_table_until_the_other_has_every_event(two: TwoTables):
    two.append()
    two.write(1)
    two.write(2)
    with table_follower(two.settings) as follower:
        eventually(lambda: follower.ready)
        two.append()
        two.write(1)
        eventually(lambda: shown(follower)[1] == 2)
        two.count(2, 1)
        following = eventually(lambda: follower._next)
        eventually(lambda: following.replica and following.replica.progress.history[0] >= 4)
        assert follower.table == 1
        two.append()
        two.write(1)
        eventually(lambda: shown(follower)[1] == 3)
        two.write(2)
        eventually(lambda: follower.table == 2)
        assert shown(follower)[1] == 3


def test_a_waiting_request_is_not_woken_by_the_replica_that_is_being_filled(two: TwoTables):
    two.append()
    two.write(1)
    woken: list[int] = []
    folder = Path(two.settings.data_dir) / "api"
    folder.mkdir(parents=True)
    follower = TableFollower(Source(two.settings), folder, lambda progress: woken.append(progress.table[0]))
    follower.start()
    try:
        eventually(lambda: follower.ready)
        before, position = list(woken), shown(follower)[0]
        two.append()
        two.count(2, 1)
        following = eventually(lambda: follower._next)
        eventually(lambda: following.replica and following.replica.progress.history[0] >= 4)
        assert {*woken} <= {*before}, f"of the first table, which is at {position}"
        two.write(2)
        eventually(lambda: follower.table == 2)
        # The waiting requests are woken after the change
        eventually(lambda: woken[-1] > max(before))
    finally:
        follower.stop()


def test_a_query_api_that_was_away_learns_the_table_at_its_start(two: TwoTables):
    two.append()
    two.write(1)
    with table_follower(two.settings) as follower:
        eventually(lambda: follower.ready)
    two.append()
    two.write(2)
    two.count(2, 0)
    admin, changelog = AdminClient(client_config(two.settings)), changelog_topic(two.settings)
    admin.delete_topics([changelog])[changelog].result()
    with table_follower(two.settings) as follower:
        assert shown(follower)[1] == 1, "the old replica answers until the new one is there"
        eventually(lambda: follower.table == 2)
        assert shown(follower)[1] == 2
        folder = Path(two.settings.data_dir) / "api"
        eventually(lambda: not (folder / FILE).exists())
        assert (folder / NOTE).read_text() == "2\n"
        assert (folder / "table-2" / FILE).exists()
    with table_follower(two.settings) as follower:
        assert follower.table == 2
        eventually(lambda: follower.ready and follower.trouble is None)


def test_a_new_query_api_begins_with_the_table_that_counts(two: TwoTables):
    two.append()
    two.write(2)
    two.count(2, 0)
    with table_follower(two.settings) as follower:
        eventually(lambda: follower.ready)
        assert follower.table == 2


def test_a_change_that_is_taken_back_before_it_was_made_changes_nothing(two: TwoTables):
    two.append()
    two.write(1)
    with table_follower(two.settings) as follower:
        eventually(lambda: follower.ready)
        two.count(2, 1)
        eventually(lambda: follower._next)
        two.count(1, 2)
        eventually(lambda: follower._next is None)
        two.append()
        two.write(1)
        eventually(lambda: shown(follower)[1] == 2)
        assert follower.table == 1
