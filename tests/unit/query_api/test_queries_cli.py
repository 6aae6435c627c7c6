"""``inventory``, ``search``, ``history`` and ``loans`` at the command line, over real HTTP."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from foundation.cli import exits
from foundation.http.client import Response, Service
from inventory.commands import AddBook
from library.commands import queries
from producer.imports.files import Layout, open_catalogue, rows
from schemas.events import BookAdded, BookBorrowed, BookRemoved
from tests.support.http_server import Handler, serving
from tests.support.query_api.api_relay import served
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.loan_traffic import NUMBERS

AT, LONG_AGO, FAR = 1714564800123, 1714564900000, 4_000_000_000_000
NOON = "2024-05-01T12:00:00.500Z"
FIRST, SECOND, GONE = NUMBERS[:3]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a query API answers."""
    stock = ApiWithoutKafka(
        tmp_path_factory.mktemp("commands"),
        [
            BookAdded(FIRST, "Příběhy z lesa", "Karel Čapek", 3, AT),
            BookAdded(SECOND, "Elixir in Action", "Saša Jurić", 2, AT + 100),
            BookAdded(GONE, "Gone", "A", 1, AT + 200),
            BookBorrowed(FIRST, "ann", AT + 1000, LONG_AGO),
            BookBorrowed(FIRST, "bob", AT + 1000, FAR),
            BookBorrowed(SECOND, "ann", AT + 1000, FAR),
            BookRemoved(GONE, AT + 1000),
        ],
    )

    with served(stock) as address:
        yield address


def run(command: Any, url: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--api", url])


def isbns(result: Result) -> list[str]:
    assert result.exit_code == exits.DONE, result.output
    header, *lines = result.stdout.splitlines() or ["isbn\t"]
    assert header.startswith("isbn\t")
    return [line.partition("\t")[0] for line in lines]


def test_list_commands_show_every_page(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queries, "PAGE_SIZE", 1)
    assert isbns(run(queries.inventory, url)) == [FIRST, SECOND]
    lines = run(queries.inventory, url, "--json").stdout.splitlines()
    assert [json.loads(line)["on_loan"] for line in lines] == [2, 1]


def test_inventory_shows_a_past_state(url: str):
    assert isbns(run(queries.inventory, url, "--at", NOON)) == [FIRST, SECOND, GONE]
    assert isbns(run(queries.inventory, url, "--at", "2020-01-01T00:00:00+01:00")) == []
    before = run(queries.inventory, url, GONE, "--at", NOON, "--json")
    assert json.loads(before.stdout)["title"] == "Gone"


def test_search_matches_title_and_author(url: str):
    assert isbns(run(queries.search, url, "capek lesa")) == [FIRST]
    assert isbns(run(queries.search, url, "e")) == [SECOND]
    assert isbns(run(queries.search, url, "nobody")) == []


def test_titles_can_be_selected_sorted_and_limited(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queries, "PAGE_SIZE", 1)
    assert isbns(run(queries.inventory, url, "--sort", "title")) == [SECOND, FIRST]
    assert isbns(run(queries.inventory, url, "--sort", "-isbn", "--limit", "1")) == [SECOND]
    assert isbns(run(queries.inventory, url, "--limit", "5")) == [FIRST, SECOND]
    assert isbns(run(queries.inventory, url, "--available")) == [FIRST, SECOND]
    assert isbns(run(queries.search, url, "e", "--unavailable")) == []
    assert isbns(run(queries.inventory, url, "--author", "CAPEK k")) == [FIRST]
    assert isbns(run(queries.inventory, url, "--author", "a", "--at", NOON)) == [GONE]
    assert isbns(run(queries.search, url, "e", "--author", "juric")) == [SECOND]
    assert run(queries.search, url, "e", "--author", "poe").stderr == "no titles with 'e' by 'poe'\n"
    for arguments in (["--limit", "0"], ["--limit", "9" * 20], ["--sort", "size"], [FIRST, "--available"],
        [FIRST, "--author", "a"], ["--author", ""],
    ):  # fmt: skip
        result = run(queries.inventory, url, *arguments)
        assert (result.exit_code, result.stdout) == (exits.MALFORMED, "")


def test_csv_is_what_an_import_reads(url: str, tmp_path: Path):
    file = tmp_path / "inventory.csv"
    file.write_text(run(queries.inventory, url, "--csv").stdout, "utf-8")
    catalogue = open_catalogue(file, Layout())
    commands = [catalogue.columns.command(row) for _, row in rows(catalogue) if isinstance(row, list)]
    assert commands == [
        AddBook(FIRST, "Příběhy z lesa", "Karel Čapek", 3),
        AddBook(SECOND, "Elixir in Action", "Saša Jurić", 2),
    ]
    assert run(queries.loans, url, "--user", "nobody", "--csv").stdout.count("\n") == 1
    assert run(queries.loans, url, "--csv", "--json").exit_code == exits.MALFORMED


def test_an_empty_result_is_reported_on_stderr(url: str):
    for command, arguments, message in (
        (queries.search, ["nobody"], "no titles with 'nobody'\n"),
        (queries.loans, ["--user", "nobody"], "no open loans\n"),
        (queries.loans, ["--user", "nobody", "--json"], "no open loans\n"),
    ):
        result = run(command, url, *arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (exits.DONE, "", message)


def test_a_borrower_is_found_as_commands_write_it(url: str):
    assert isbns(run(queries.loans, url, "--user", " ann ")) == [FIRST, SECOND]
    result = run(queries.loans, url, "--user", "ann\u200b")
    assert (result.exit_code, result.stdout) == (exits.MALFORMED, "")
    assert "U+200B" in result.stderr


def test_a_day_is_one_of_the_librarys_time_zone(url: str, monkeypatch: pytest.MonkeyPatch):
    assert isbns(run(queries.inventory, url, "--at", "2024-05-01")) == [FIRST, SECOND]
    # The books were added on 1 May at 12:00 UTC, which is 2 May on Kiritimati (UTC+14)
    monkeypatch.setenv("LIBRARY_TIMEZONE", "Pacific/Kiritimati")
    assert isbns(run(queries.inventory, url, "--at", "2024-05-01")) == []
    assert isbns(run(queries.inventory, url, "--at", "2024-05-02")) == [FIRST, SECOND]
    today = datetime.now(ZoneInfo("Pacific/Kiritimati")).date().isoformat()
    assert isbns(run(queries.inventory, url, "--at", today)) == [FIRST, SECOND]
    assert run(queries.inventory, url, "--at", "2024-02-30").exit_code == exits.MALFORMED


def test_loans_command_filters_by_borrower_title_and_due_date(url: str):
    assert isbns(run(queries.loans, url)) == [FIRST, FIRST, SECOND]
    assert isbns(run(queries.loans, url, "--user", "ann")) == [FIRST, SECOND]
    assert isbns(run(queries.loans, url, "--isbn", SECOND)) == [SECOND]
    overdue = run(queries.loans, url, "--overdue", "--json")
    assert [json.loads(line)["user_id"] for line in overdue.stdout.splitlines()] == ["ann"]


def test_history_lists_events_in_order(url: str):
    header, *lines = run(queries.history, url, GONE).stdout.splitlines()
    assert header == "version\ttime\ttype\tdata\tcommand_id\tposition\tactor"
    assert [line.split("\t")[:3:2] for line in lines] == [["1", "BookAdded"], ["2", "BookRemoved"]]


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        (queries.inventory, (GONE,), exits.NOT_FOUND),
        (queries.inventory, (NUMBERS[9],), exits.NOT_FOUND),
        (queries.history, (NUMBERS[9],), exits.NOT_FOUND),
        (queries.inventory, ("abc",), exits.MALFORMED),
        (queries.inventory, ("--at", "yesterday"), exits.MALFORMED),
        (queries.inventory, ("--at", "9998-01-01T00:00:00Z"), exits.MALFORMED),
        (queries.loans, ("--isbn", "123"), exits.MALFORMED),
    ],
)
def test_query_commands_explain_what_they_cannot_show(
    url: str, command: Any, arguments: tuple[str, ...], code: int
):
    result = run(command, url, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"items": []}', b"\xff"])
def test_a_service_that_is_not_the_query_api_is_named(body: bytes, monkeypatch: pytest.MonkeyPatch):
    for ask in ("get", "search"):
        monkeypatch.setattr(Service, ask, lambda *_: Response(200, {}, body))
    for command in (queries.inventory, queries.loans):
        result = run(command, "http://127.0.0.1:1")
        assert (result.exit_code, result.stdout) == (exits.UNAVAILABLE, "")
        assert "is not the query API" in result.stderr


def test_no_url_has_the_borrower_of_a_search_for_loans():
    asked = list[tuple[str, object]]()

    class Api(Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, json.loads(body)))
            following = None if len(asked) == 2 else "card-1 is in cursors, too"
            self.respond(200, json.dumps({"items": [], "next_cursor": following}).encode())

    with serving(Api) as url:
        assert run(queries.loans, url, "--user", "card-1", "--overdue").exit_code == exits.DONE
    wanted = {"user_id": "card-1", "overdue": True, "limit": 500}
    cursor = {"cursor": "card-1 is in cursors, too"}
    assert asked == [("/loans/search", wanted), ("/loans/search", wanted | cursor)]


def test_a_query_without_an_api_says_how_to_start_one():
    result = run(queries.inventory, "http://127.0.0.1:1")
    assert result.exit_code == exits.UNAVAILABLE
    assert "library up" in result.stderr


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (queries.inventory, [""], "the ISBN is empty"),
        (queries.history, [""], "the ISBN is empty"),
        (queries.history, ["a/b"], "'a/b' is no ISBN"),
        (queries.history, [".."], "'..' is no ISBN"),
        (queries.inventory, ["9" * 500], "it has 500 characters"),
        (queries.loans, ["--isbn", "x"], "'x' is no ISBN"),
        (queries.loans, ["--user", ""], "the user is empty"),
        (queries.loans, ["--user", "a\u200bb"], "U+200B"),
        (queries.search, [" "], "the search has no words to look for"),
        (queries.search, ["x", "--author", ""], "--author has no words to look for"),
    ],
)
def test_what_names_nothing_is_refused_in_a_sentence(
    url: str, command: Any, arguments: list[str], message: str
):
    result = run(command, url, *arguments)
    assert (result.exit_code, result.stdout) == (exits.MALFORMED, "")
    assert message in result.stderr
