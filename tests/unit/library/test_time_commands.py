"""``explain`` and ``diff`` at the command line, over real HTTP."""

import json
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from foundation.cli import exits
from foundation.cli.tables import print_table
from foundation.settings import Settings
from inventory.commands import Command, checked
from inventory.rules import UNKNOWN, Title, evolve
from library.commands.diff import diff
from library.commands.explain import COMMAND_COLUMNS, commands_to_try, event_from, explain, refusals
from query_api.replica.past import row_at
from schemas.event_json import event_data
from schemas.events import BookAdded, BookBorrowed, BookRemoved, BookReturned, CopiesAdded, Event
from schemas.times import rfc3339
from tests.support.query_api.api_relay import served
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START, event_logs
from tests.support.query_api.stocked_names import StockedNames

A, B, C = sorted(ISBNS)[:3]
EVENTS: list[Event] = [
    BookAdded(A, "Title", "Author", 1, START),
    BookBorrowed(A, "ann", START + 1000, START + 9000),
    BookAdded(B, "Gone", "", 1, START + 1000),
    BookRemoved(B, START + 2000),
    CopiesAdded(A, 2, START + 3000),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    stock = ApiWithoutKafka(tmp_path_factory.mktemp("time"), EVENTS)
    stock.put(BookAdded(C, "Damaged", "", 1, START), (C, b"\0\0\0\0\xff", START + 1))
    return stock


@pytest.fixture(scope="module")
def url(api: ApiWithoutKafka) -> Iterator[str]:
    with served(api) as address:
        yield address


def run(command: Any, url: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--api", url])


def lines(command: Any, url: str, *arguments: str) -> list[dict[str, Any]]:
    done = run(command, url, *arguments, "--json")
    assert done.exit_code == exits.DONE, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_explain_shows_the_states_around_each_event_and_what_is_refused_now(api: ApiWithoutKafka, url: str):
    found = lines(explain, url, A)
    events = [line for line in found if "version" in line]
    assert [line["version"] for line in events] == [1, 2, 3]
    assert events[0]["before"] == {
        "present": False, "removed": False, "title": "", "author": "", "quantity": 0, "available": 0,
        "loans": {},
    }  # fmt: skip
    for event, following in pairwise(events):
        assert event["after"] == following["before"]
    for event in events:
        row = row_at(api.replica.connect(), int(A), version=event["version"])
        assert (event["after"]["quantity"], event["after"]["available"]) == (row.quantity, row.available)
        assert event["command_id"]
    assert [event["command_digest"] for event in events] == [f"{n:032x}" for n in (0, 1, 4)]
    refused = {line["command"]: line["code"] for line in found if "command" in line}
    assert refused[f"remove {A}"] == "on_loan"
    assert refused[f"borrow {A} ann"] == "already_borrowed"
    assert refused[f"renew {A} somebody"] == "not_on_loan"
    assert refused[f"add {A} 'Another title'"] == "already_added"
    assert f"borrow {A} somebody" not in refused


def test_explain_shows_borrowers_by_name_where_events_have_tokens(tmp_path: Path):
    ann, bob = f"p~{'a' * 16}", f"p~{'b' * 16}"
    names = StockedNames(ann=ann, bob=bob)
    events: list[Event] = [
        BookAdded(A, "Title", "Author", 2, START),
        BookBorrowed(A, bob, START + 1000, START + 9000),
        BookReturned(A, bob, START + 2000),
        BookBorrowed(A, ann, START + 3000, START + 9000),
    ]
    names.forget(bob)
    with served(ApiWithoutKafka(tmp_path, events, names)) as url:
        found = lines(explain, url, A)
        table = run(explain, url, A).stdout
    assert list(found[3]["after"]["loans"]) == ["ann"]
    assert list(found[1]["after"]["loans"]) == [bob]
    assert found[2]["after"]["available"] == 2
    refused = {line["command"]: line["reason"] for line in found if "command" in line}
    assert f"borrow {A} ann" in refused
    assert not any(ann in text for text in [*refused, *refused.values()])
    assert "user_id=(forgotten)" in table


def test_explain_makes_one_request_however_many_events_there_are(
    api: ApiWithoutKafka, url: str, monkeypatch: pytest.MonkeyPatch
):
    paths, ask = list[str](), api.ask

    def asking(path: str, **more: Any) -> Any:
        paths.append(path)
        return ask(path, **more)

    monkeypatch.setattr(api, "ask", asking)
    assert len([line for line in lines(explain, url, A) if "version" in line]) == 3
    assert [path.partition("?")[0] for path in paths] == [f"/inventory/{A}/history"]


def test_explain_of_an_earlier_version_shows_that_event_alone(url: str):
    (event,) = lines(explain, url, A, "--version", "2")
    assert (event["type"], event["before"]["available"], event["after"]["available"]) == (
        "BookBorrowed",
        1,
        0,
    )
    assert {"version", "command"} <= {
        name for line in lines(explain, url, A, "--version", "3") for name in line
    }
    late = run(explain, url, A, "--version", "4")
    assert (late.exit_code, late.stdout.strip()) == (exits.NOT_FOUND, "")
    table = run(explain, url, B).stdout
    assert "'Gone', 1 of 1 on the shelf\tremoved" in table
    assert "this title was removed from the inventory" in table


def test_explain_of_a_title_with_an_unreadable_event_knows_no_state_after_it(url: str):
    first, second, refused = lines(explain, url, C)
    assert first["after"]["title"] == "Damaged"
    assert (second["after"], second["error"]) == (None, "damaged")
    assert refused["code"] == "unreadable_event"


@given(event_logs())
def test_an_event_of_the_history_is_the_event_that_was_written(events: list[Event]):
    for event in events:
        item = {"type": type(event).__name__, "time": rfc3339(event.timestamp), "data": event_data(event)}
        assert event_from(event.isbn, item) == event


@given(event_logs(), st.sampled_from(ISBNS))
def test_every_type_of_command_is_tried_and_could_be_sent(events: list[Event], isbn: str):
    state = UNKNOWN
    for event in events:
        state = evolve(state, event) if event.isbn == isbn else state
    commands = [command for _, command in commands_to_try(isbn, state)]
    assert {type(command) for command in commands} == set(get_args(Command))
    assert [checked(command) for command in commands] == commands
    refused = list(refusals(Settings(), isbn, state))
    assert all(line["reason"] for line in refused)
    assert len(refused) >= (0 if state.present else len(commands) - 1)


def test_a_stranger_is_never_a_borrower():
    state = Title(True, False, "T", "", 3, {"somebody": 1, "somebody-else": 1})
    assert any(words.endswith("somebody-else-else") for words, _ in commands_to_try(A, state))


def test_diff_prints_a_line_for_each_field_and_one_json_line_for_each_title(url: str):
    moments = ["--from", rfc3339(START), "--to", rfc3339(START + 4000)]
    (changed,) = lines(diff, url, A, *moments)
    assert changed["fields"] == {
        "quantity": {"before": 1, "after": 3}, "available": {"before": 1, "after": 2},
        "on_loan": {"before": 0, "after": 1},
    }  # fmt: skip
    table = run(diff, url, *moments).stdout.splitlines()
    assert table[0].startswith("isbn\tchange\tfield\tbefore\tafter")
    assert table[1].startswith(f"{A}\tchanged\tquantity\t1\t3")
    assert len(table) == 4
    nothing = run(diff, url, "--from", rfc3339(START + 4000))
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "no differences\n")


def test_a_day_of_diff_is_all_of_that_day(url: str):
    # START is in the evening of 2023-11-14, UTC
    found = lines(diff, url, "--from", "2023-11-14", "--to", "2023-11-14")
    assert {line["isbn"]: line["change"] for line in found} == {A: "added", C: "added"}
    assert lines(diff, url, "--from", "2023-11-15") == []


def test_moments_that_make_no_sense_are_refused(url: str):
    for arguments in (
        ["--from", "x"],
        ["--from", "2023-11-15", "--to", "2023-11-14"],
        ["12", "--from", "2023-11-15"],
    ):
        assert run(diff, url, *arguments).exit_code == exits.MALFORMED
    assert (
        run(diff, url, "--from", rfc3339(START), "--to", "2999-01-01T00:00:00Z").exit_code == exits.MALFORMED
    )
    ahead = run(diff, url, "--from", "2999-01-01")
    assert (ahead.exit_code, ahead.stderr) == (2, "Error: --from 2999-01-01 is in the future\n")


def test_diff_of_a_title_that_never_existed_is_an_error(url: str):
    never = run(diff, url, "9789999999991", "--from", "2023-11-14")
    assert (never.exit_code, never.stdout) == (exits.NOT_FOUND, "")
    assert "9789999999991 is not in the inventory and never was" in never.stderr
    before_it_began = run(diff, url, A, "--from", "2000-01-01", "--to", "2000-01-02")
    assert (before_it_began.exit_code, before_it_began.stderr) == (exits.DONE, "no differences\n")


def test_refused_commands_are_a_table_on_a_terminal_of_80_columns():
    rows = list(refusals(Settings(), A, Title(True, False, "T", "", 1, {"a-borrower": START})))
    screen = StringIO()
    print_table(Console(file=screen, width=80, no_color=True), COMMAND_COLUMNS, rows)
    heading, *lines = screen.getvalue().splitlines()
    assert heading.split() == ["command", "outcome", "code", "reason"]
    assert max(map(len, lines)) <= 80
