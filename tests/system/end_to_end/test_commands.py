"""Commands that users try first, and their mistakes."""

import json
from pathlib import Path

import pytest

from foundation.cli import exits
from inventory.isbn import display
from schemas.patrons import is_token
from tests.support.library.installed_system import System

ELIXIR, PROGRAMMING = "978-1593275846", "978-1680502992"


def test_the_readme_example_works(system: System) -> None:
    system.done("add", ELIXIR, "Elixir in Action", "Sasa Juric", "10")
    system.done("add", PROGRAMMING, "Programming Elixir 1.6", "Dave Thomas", "5")
    system.done("borrow", ELIXIR, "user123")
    system.done("remove", PROGRAMMING, "--wait")
    row = system.get(
        "/inventory/9781593275846", after=system.receipt("borrow", ELIXIR, "eve")["position"]
    ).value
    shown = {name: row[name] for name in ("title", "quantity", "available", "on_loan", "version")}
    assert shown == {
        "title": "Elixir in Action",
        "quantity": 10,
        "available": 8,
        "on_loan": 2,
        "version": 3,
    }
    assert system.get("/inventory/9781680502992").status == 410
    titles = system.done("inventory").splitlines()
    assert "9781593275846\tElixir in Action\tSasa Juric\t10\t8\t2" in titles
    assert not [line for line in titles if line.startswith("9781680502992")]
    refused = [
        ("borrow", ELIXIR, "user123"),
        ("remove", ELIXIR),
        ("add", ELIXIR, "Elixir in Action", "Sasa Juric", "11"),
        ("borrow", PROGRAMMING, "user123"),
        ("borrow", "9780306406157", "user123"),
    ]
    malformed = [
        ("add", "978-1593275847", "T"),
        ("add", "9780306406157", "T", "A", "0"),
        ("add", "9780306406157", "T", "A", "-1"),
        ("add", "9780306406157", "T", "A", "1.5"),
        ("add", "9780306406157", ""),
        ("borrow", ELIXIR, ""),
    ]
    # Titles of different partitions have no order
    events = sorted(system.done("events").splitlines())
    for code, commands in ((exits.REFUSED, refused), (exits.MALFORMED, malformed)):
        for command in commands:
            done = system.library(*command)
            assert (done.returncode, done.stdout) == (code, ""), (command, done.stderr)
            assert done.stderr.startswith("Error: ")
            assert done.stderr.count("\n") == 1
    assert sorted(system.done("events").splitlines()) == events


def test_a_newcomer_sees_names_and_the_events_have_tokens(system: System, isbn: str) -> None:
    user = "card-0048213"
    system.done("add", isbn, "T", "A", "2")
    system.receipt("borrow", isbn, user)
    loan = json.loads(system.done("loans", "--user", user, "--json"))
    assert (loan["isbn"], loan["user_id"], is_token(loan["patron"])) == (isbn, user, True)
    assert f"\t{user}\t" in system.done("loans", "--user", user)
    events = system.done("events")
    assert (user in events, loan["patron"] in events) == (False, True)
    assert user in system.done("events", "--names")
    assert f"user_id={user}" in system.done("history", isbn)
    system.receipt("return", isbn, user)
    done = system.library("loans", "--user", user)
    assert (done.stdout, done.stderr) == ("", "no open loans\n")


def test_a_repeat_with_the_same_id_has_no_second_effect(system: System, isbn: str) -> None:
    first = system.receipt("add", isbn, "T", "--command-id", f"add-{isbn}")
    again = system.library("add", isbn, "T", "--command-id", f"add-{isbn}", "--json")
    assert json.loads(again.stdout) == first
    assert "done before" in again.stderr
    other = system.library("add", isbn, "another title", "--command-id", f"add-{isbn}")
    assert (other.returncode, "belongs to another command" in other.stderr) == (exits.REFUSED, True)
    assert len(system.done("history", isbn, "--json").splitlines()) == 1


def test_every_command_ends_in_the_history(system: System, isbn: str) -> None:
    for command in (
        ("add", isbn, "Titel", "Ann", "3"),
        ("copies", "add", isbn, "2"),
        ("copies", "withdraw", isbn, "1", "--reason", "damaged"),
        ("borrow", isbn, "ann"),
        ("borrow", isbn, "bob"),
        ("copies", "withdraw", isbn, "1", "--reason", "lost", "--user", "bob"),
        ("correct", isbn, "--title", "Title"),
    ):
        system.done(*command)
    assert json.loads(system.done("loans", "--isbn", isbn, "--json"))["user_id"] == "ann"
    assert system.library("renew", isbn, "bob").returncode == exits.REFUSED
    system.done("return", isbn)
    system.receipt("remove", isbn)
    history = [json.loads(line) for line in system.done("history", isbn, "--json").splitlines()]
    assert [(event["version"], event["type"]) for event in history] == list(
        enumerate(
            [
                "BookAdded",
                "CopiesAdded",
                "CopiesWithdrawn",
                "BookBorrowed",
                "BookBorrowed",
                "CopiesWithdrawn",
                "DetailsCorrected",
                "BookReturned",
                "BookRemoved",
            ],
            1,
        )
    )
    gone = system.library("inventory", isbn)
    assert (gone.returncode, "removed" in gone.stderr) == (exits.NOT_FOUND, True)
    before = json.loads(system.done("inventory", isbn, "--at", history[4]["time"], "--json"))
    assert (before["title"], before["quantity"], before["on_loan"]) == ("Titel", 4, 2)


def test_a_title_without_an_isbn_gets_an_in_house_number(system: System) -> None:
    first = system.receipt("add", "--no-isbn", "Minutes", "--command-id", "minutes")
    assert system.receipt("add", "--no-isbn", "Minutes", "--command-id", "minutes") == first
    assert first["isbn"].startswith("2")
    assert "Minutes" in system.done("inventory", first["isbn"])


def test_twenty_concurrent_borrowers_share_the_last_three_copies(system: System, isbn: str) -> None:
    system.done("add", isbn, "Wanted", "Ann", "3")
    borrowers = [system.start("borrow", isbn, f"user{number}") for number in range(20)]
    outcomes = [(process.communicate(timeout=90)[1], process.returncode) for process in borrowers]
    assert sorted(code for _, code in outcomes) == [exits.DONE] * 3 + [exits.REFUSED] * 17, outcomes
    assert {error for error, code in outcomes if code} == {
        "Error: no copy is on the shelf: 3 copies, all on loan\n"
    }
    last = json.loads(system.library("return", isbn, "nobody", "--json").stdout or "null")
    assert last is None
    system.receipt("copies", "add", isbn, "1")
    history = [json.loads(line) for line in system.done("history", isbn, "--json").splitlines()]
    assert [event["version"] for event in history] == [1, 2, 3, 4, 5]


def test_search_finds_titles_by_their_words(system: System, isbn: str) -> None:
    system.receipt("add", isbn, "Příběhy z lesa", "Karel Čapek")
    assert isbn in system.done("search", "capek lesa")
    assert system.done("search", "nothing-has-this-word") == ""


def test_lists_are_tables_on_a_terminal_and_tsv_in_a_pipe(system: System, isbn: str) -> None:
    title = "A title" + " that is very long" * 20
    system.receipt("add", isbn, title, "Ann", "3", "--command-id", "table")
    header, row = system.done("inventory", isbn).splitlines()
    assert header == "isbn\ttitle\tauthor\tquantity\tavailable\ton_loan"
    assert row == f"{isbn}\t{title}\tAnn\t3\t3\t0"
    assert json.loads(system.done("inventory", isbn, "--json"))["title"] == title
    table = system.on_terminal("history", isbn)
    assert "\x1b[1mversion" in table
    table = system.on_terminal("inventory", isbn, NO_COLOR="1")
    assert "\x1b" not in table
    first, second = table.splitlines()[:2]
    assert first.split() == ["isbn", "title", "author", "quantity", "available", "on", "loan"]
    assert second.startswith(f"{display(isbn)}  A title that is")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("inventory", "9780306406157"), exits.NOT_FOUND),
        (("history", "9780306406157"), exits.NOT_FOUND),
        (("inventory", "nonsense"), exits.MALFORMED),
        (("inventory", "--at", "yesterday"), exits.MALFORMED),
        (("events", "--from", "yesterday"), exits.MALFORMED),
    ],
)
def test_a_query_without_a_result_prints_a_sentence(
    system: System, command: tuple[str, ...], code: int
) -> None:
    done = system.library(*command)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("borrow", ELIXIR, "ann"), ("inventory",), ("events",), ("status",)])
def test_a_command_without_a_running_system_says_how_to_start_one(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    nowhere = System(tmp_path)
    done = nowhere.library(
        *command, LIBRARY_KAFKA="127.0.0.1:1", LIBRARY_API="http://127.0.0.1:1", LIBRARY_DEADLINE="1"
    )
    assert done.returncode == exits.UNAVAILABLE, done.stderr
    assert "library up" in done.stderr
    assert "Traceback" not in done.stderr
