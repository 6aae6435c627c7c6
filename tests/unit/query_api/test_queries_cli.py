"""``inventory``, ``search``, ``history`` and ``loans`` at the command line, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from foundation.cli import exits
from library.commands import queries
from schemas.events import BookAdded, BookBorrowed, BookRemoved
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

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = stock.ask(self.path, headers=dict(self.headers))
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def run(command: Any, url: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--api", url])


def isbns(result: Result) -> list[str]:
    assert result.exit_code == exits.DONE, result.output
    return [line.partition("\t")[0] for line in result.stdout.splitlines()]


def test_list_commands_show_every_page(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queries, "PAGE_SIZE", "1")
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


def test_loans_command_filters_by_borrower_title_and_due_date(url: str):
    assert isbns(run(queries.loans, url)) == [FIRST, FIRST, SECOND]
    assert isbns(run(queries.loans, url, "--user", "ann")) == [FIRST, SECOND]
    assert isbns(run(queries.loans, url, "--isbn", SECOND)) == [SECOND]
    overdue = run(queries.loans, url, "--overdue", "--json")
    assert [json.loads(line)["user_id"] for line in overdue.stdout.splitlines()] == ["ann"]


def test_history_lists_events_in_order(url: str):
    lines = run(queries.history, url, GONE).stdout.splitlines()
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


def test_a_query_without_an_api_says_how_to_start_one():
    result = run(queries.inventory, "http://127.0.0.1:1")
    assert result.exit_code == exits.UNAVAILABLE
    assert "library up" in result.stderr
