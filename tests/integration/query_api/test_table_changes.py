"""Query API processes and a change of the inventory table: killed, away, and several of them."""

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from eventstore.positions import parse_positions
from foundation.settings import Settings
from query_api.replica.replica import FILE
from tests.support.query_api.after_reader import AfterReader
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.loan_traffic import running_api
from tests.support.query_api.two_tables import A, TwoTables
from tests.support.waiting import eventually


@pytest.fixture
def two(new_settings: Callable[..., Settings]) -> TwoTables:
    return TwoTables(new_settings(partitions=1))


def test_a_query_api_killed_while_it_changes_goes_on_with_one_of_both(two: TwoTables):
    two.append()
    two.write(1)
    with running_api(two.settings) as api:
        two.append()
        two.write(1)
        two.count(2, 1)
        eventually(lambda: (Path(api.settings.data_dir) / "api" / "1" / "table-2" / FILE).exists())
        api.kill()
        api.start(ready=False)
        title_of(api)
        assert api.client.get("/readyz").json()["table"] == 1
        two.write(2)
        eventually(lambda: api.client.get("/readyz").json()["table"] == 2)
        assert api.client.get(f"/inventory/{A}").json()["version"] == 2
        api.kill()
        api.start()
        assert api.client.get("/readyz").json()["table"] == 2


@pytest.mark.parametrize(
    ("way", "point"), [((1, 2), "before-note"), ((1, 2), "after-note"), ((2, 1), "after-note")]
)
def test_a_query_api_killed_around_its_note_of_the_other_table_goes_on_with_one_of_both(
    two: TwoTables, way: tuple[int, int], point: str
):
    before, after = way
    two.append()
    two.write(1)
    two.write(2)
    two.count(before, after)
    with running_api(two.settings) as api:
        assert api.client.get("/readyz").json()["table"] == before
        seen = api.client.get(f"/inventory/{A}")
        api.kill()
        api.start(die_at=point)
        two.count(after, before)
        eventually(api.killed_itself)
        # The API can't change until both tables have this event
        two.append()
        two.write(before)
        api.start(ready=False)
        answer = title_of(api)
        assert api.client.get("/readyz").json()["table"] == (before if point == "before-note" else after)
        assert answer.json()["version"] >= seen.json()["version"]
        assert offset_of(answer) >= offset_of(seen)
        two.write(after)
        eventually(lambda: api.client.get("/readyz").json()["table"] == after)
        eventually(lambda: api.client.get(f"/inventory/{A}").json()["version"] == 2)


def title_of(api: ApiProcess) -> httpx.Response:
    """The title, once the query API has opened its replica."""
    return eventually(lambda: (got := api.client.get(f"/inventory/{A}")).status_code == 200 and got)


def offset_of(answer: httpx.Response) -> int:
    """What its ``Inventory-Position`` says of the only partition."""
    return parse_positions(answer.headers["Inventory-Position"])[0]


def test_a_reader_of_several_query_apis_never_sees_an_older_answer_while_one_is_away(two: TwoTables):
    two.append()
    two.write(1)
    two.write(2)
    ended = threading.Event()

    def write() -> None:
        # Each table is behind the other for half of the time
        while not ended.wait(0.01):
            for table in (1, 2):
                two.append()
                two.write(table)
                two.write(3 - table)

    with (
        running_api(two.settings) as one,
        running_api(two.settings) as other,
        AfterReader(A, [one.url, other.url]) as reader,
    ):
        writing = threading.Thread(target=write)
        writing.start()
        try:
            reader.read_each()
            two.count(2, 1)
            for api in (one, other):
                eventually(lambda api=api: api.client.get("/readyz").json()["table"] == 2)
            reader.read_each()
            other.kill()
            two.count(1, 2)
            eventually(lambda: one.client.get("/readyz").json()["table"] == 1)
            other.start(ready=False)
            eventually(lambda: other.client.get("/readyz").json().get("table") == 1)
            reader.read_each()
        finally:
            ended.set()
            writing.join()
    assert one.url not in dict(reader.refused), "it was never away"
    reader.check()
