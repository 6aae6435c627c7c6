"""The commands that change the inventory, without a Kafka."""

import json
import re
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from eventstore.state.outcomes import (
    Accepted,
    Appended,
    Outcome,
    OutcomeUnknown,
    Receipt,
    Refused,
    Reused,
    Unwritable,
)
from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.settings import Settings
from inventory.commands import Command
from inventory.rules import Rejection
from library.cli import library
from producer.commands import in_house
from producer.commands.submission import SubmitOptions, event_words, report
from producer.commands.titles import add
from schemas.events import TYPES

ISBN = "978-1593275846"
NOWHERE = {"LIBRARY_KAFKA": "127.0.0.1:1", "LIBRARY_GATEWAY": "http://127.0.0.1:1"}
RECEIPT = Receipt("id-1", "9781593275846", (Appended("BookBorrowed", 2),), "3:17")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(library, arguments, env=NOWHERE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "978-1593275847", "T"], "wrong check digit"),
        (["add", "12345", "T"], "10 or 13 digits"),
        (["add", "", "T"], "ISBN is empty"),
        (["add", ISBN, ""], "title is empty"),
        (["add", ISBN, " \t"], "title is empty"),
        (["add", ISBN, "T" * 1001], "1001 characters"),
        (["add", ISBN, "T\x00"], "U+0000"),
        (["add", ISBN, "T\ud800"], "is not UTF-8"),
        (["add", ISBN, "T", "A", "0"], "not 0"),
        (["add", ISBN, "T", "A", "-1"], "not -1"),
        (["add", ISBN, "T", "A", "-1.5"], "not -1.5"),
        (["add", ISBN, "-5"], "put -- before it"),
        (["copies", "add", "--", ISBN, "-3"], "not '-3'"),
        (["add", ISBN, "T", "A", "1.5"], "not '1.5'"),
        (["add", ISBN, "T", "A", "abc"], "not 'abc'"),
        (["add", ISBN, "T", "A", ""], "not ''"),
        (["add", ISBN, "T", "A", "٣"], "whole number"),
        (["add", ISBN, "T", "A", "9" * 5000], "whole number"),
        (["add", ISBN, "T", "A", "1000001"], "1 to 1000000"),
        (["add", ISBN, "T", "A", "1", "2"], "'2' follows the quantity"),
        (["add"], "Missing ISBN and TITLE"),
        (["add", ISBN], "Missing TITLE"),
        (["add", "--no-isbn"], "Missing TITLE"),
        (["add", "--no-isbn", ""], "title is empty"),
        (["borrow", ISBN, ""], "user is empty"),
        (["borrow", ISBN], "Missing argument 'USER'"),
        (["borrow", ISBN, "u" * 201], "201 characters"),
        (["borrow", "x", "u"], "no ISBN"),
        (["return", ISBN, " "], "user is empty"),
        (["remove", "9781593275847"], "wrong check digit"),
        (["copies", "add", ISBN, "0"], "not 0"),
        (["copies", "add", ISBN, "-3"], "not -3"),
        (["copies", "withdraw", ISBN, "1"], "--reason"),
        (["copies", "withdraw", ISBN, "1", "--reason", "eaten"], "lost, damaged"),
        (["copies", "withdraw", ISBN, "2", "--reason", "lost", "--user", "u"], "must be 1"),
        (["correct", ISBN], "nothing to correct"),
        (["correct", ISBN, "--title", ""], "title is empty"),
        (["borrow", ISBN, "u", "--command-id", ""], "command id is empty"),
        (["borrow", ISBN, "u", "--command-id", "x" * 201], "201 characters"),
        (["borrow", ISBN, "u", "--actor", "a" * 201], "201 characters"),
        (["borrow", ISBN, "u", "--actor", "a\x07b"], "control character"),
        (["borrow", ISBN, "u", "--actor", "a\u200bb"], "not shown"),
        (["import", __file__, "--actor", "a\x07b"], "control character"),
        (["borrow", ISBN, "u", "--timeout", "soon"], "is not a number, as 2.5"),
        (["borrow", ISBN, "u", "--timeout", "0"], "deadline"),
    ],
)
def test_a_malformed_command_ends_before_it_connects(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (exits.MALFORMED, ""), result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr


class Sent(NamedTuple):
    command_id: str
    command: Command


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """Commands as they reach the client, which accepts them all."""
    sent: list[Sent] = []

    def execute(settings: Settings, command_id: str, command: Command) -> Outcome:
        sent.append(Sent(command_id, command))
        return Accepted(Receipt(command_id, command.isbn, (Appended("BookAdded", 1),), "3:17"))

    monkeypatch.setattr("producer.client.execute", execute)
    return sent


def test_add_takes_isbn_title_author_and_quantity_in_order(submitted: list[Sent]) -> None:
    for words in (["T"], ["T", "A"], ["T", "A", "10"]):
        assert run("add", ISBN, *words).exit_code == 0
    values = [(s.command.title, s.command.author, s.command.quantity) for s in submitted]  # type: ignore[union-attr]
    assert values == [("T", "", 1), ("T", "A", 1), ("T", "A", 10)]
    assert len({given.command_id for given in submitted}) == 3


def test_a_title_may_begin_with_a_dash(submitted: list[Sent]) -> None:
    for title in ("-5 degrees", "-5"):
        assert run("add", "--", ISBN, title).exit_code == 0
    assert [sent.command.title for sent in submitted] == ["-5 degrees", "-5"]  # type: ignore[union-attr]


def test_a_receipt_is_one_line_of_json(submitted: list[Sent]) -> None:
    result = run("add", ISBN, "T", "--json", "--command-id", "mine")
    (line,) = result.stdout.splitlines()
    assert json.loads(line) == {
        "command_id": "mine",
        "isbn": "9781593275846",
        "events": [{"type": "BookAdded", "version": 1}],
        "position": "3:17",
        "actor": "",
        "leaf": "",
    }


def test_a_receipt_names_who_did_it(capsys: pytest.CaptureFixture[str]) -> None:
    by_ann = Receipt("id-1", "9781593275846", (Appended("BookBorrowed", 2),), "3:17", "Ann")
    for as_json in (False, True):
        report(Settings(), Accepted(by_ann), SubmitOptions("id-1", False, as_json, False))
    text, document = capsys.readouterr().out.splitlines()
    assert text == "9781593275846 version 2: borrowed (position 3:17, command id id-1, by Ann)"
    assert json.loads(document)["actor"] == "Ann"


def test_an_in_house_number_comes_from_the_command_id(submitted: list[Sent]) -> None:
    for _ in range(2):
        result = run("add", "--no-isbn", "Minutes", "--command-id", "mine")
        assert result.exit_code == 0
    first, again = (given.command.isbn for given in submitted)
    assert first == again
    assert first[0] == "2"
    assert first in result.stdout
    run("add", "--no-isbn", "Minutes", "--command-id", "another")
    assert submitted[-1].command.isbn != first


def test_an_in_house_number_in_use_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {in_house.number_of("mine", 0): Refused(Rejection("already_added", "taken"))}
    taken[in_house.number_of("mine", 1)] = Accepted(Receipt("mine", "", (), "3:17"))  # type: ignore[assignment]

    def execute(settings: Settings, command_id: str, command: Command) -> Outcome:
        made = Accepted(Receipt("mine", command.isbn, (Appended("BookAdded", 1),), "3:18"))
        return taken.get(command.isbn, made)

    monkeypatch.setattr("producer.client.execute", execute)
    result = run("add", "--no-isbn", "Minutes", "--command-id", "mine")
    assert in_house.number_of("mine", 2) in result.stdout


@pytest.mark.parametrize(
    ("outcome", "retry", "code", "message"),
    [
        (
            Refused(Rejection("none_available", "no copy is on the shelf")),
            False,
            3,
            "no copy is on the shelf",
        ),
        (Reused("id-1"), True, 3, "'id-1' belongs to another command"),
        (Unwritable("upgrade first"), False, 1, "upgrade first"),
        (OutcomeUnknown("timed out"), False, 75, "--command-id id-1"),
        (OutcomeUnknown("no broker", sent=False), False, 69, "`library up`"),
        (OutcomeUnknown("no broker", sent=False), True, 75, "--command-id id-1"),
    ],
)
def test_an_outcome_is_a_sentence_and_an_exit_code(
    outcome: Outcome, retry: bool, code: int, message: str
) -> None:
    with pytest.raises(CommandError, match=message) as ending:
        report(Settings(), outcome, SubmitOptions("id-1", retry, False, False))
    assert ending.value.exit_code == code


@pytest.mark.parametrize(
    ("accepted", "out"),
    [
        (Accepted(RECEIPT), "9781593275846 version 2: borrowed (position 3:17, command id id-1)\n"),
        (Accepted(Receipt("id-1", "9781593275846", (), "3:17")), "9781593275846 unchanged: "),
    ],
)
def test_the_receipt_is_printed(accepted: Accepted, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Settings(), accepted, SubmitOptions("id-1", False, False, False)) == exits.DONE
    assert capsys.readouterr().out.startswith(out)


@pytest.mark.parametrize(
    ("event_type", "words"), [("BookAdded", "added"), ("CopiesWithdrawn", "copies withdrawn")]
)
def test_an_events_words_are_derived_from_its_name(event_type: str, words: str) -> None:
    assert event_words(event_type) == words


def test_every_event_has_words_of_its_own() -> None:
    words = {event_words(event.__name__) for event in TYPES}
    assert len(words) == len(TYPES)
    assert all(re.fullmatch("[a-z]+( [a-z]+)*", text) for text in words)


def test_an_event_of_a_later_release_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    accepted = Accepted(Receipt("id-1", "9781593275846", (Appended("ShelfMarkChanged", 2),), "3:17"))
    assert report(Settings(), accepted, SubmitOptions("id-1", False, False, False)) == exits.DONE
    assert "version 2: shelf mark changed (" in capsys.readouterr().out


def test_a_repeat_is_reported_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    report(Settings(), Accepted(RECEIPT, replayed=True), SubmitOptions("id-1", True, True, False))
    captured = capsys.readouterr()
    assert json.loads(captured.out)["position"] == "3:17"
    assert "nothing was done again" in captured.err


def test_wait_reports_success_even_if_the_change_is_not_readable_yet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(CommandError, match="done, but it can't be read yet") as ending:
        report(
            Settings(api="http://127.0.0.1:1"), Accepted(RECEIPT), SubmitOptions("id-1", False, True, True)
        )
    assert ending.value.exit_code == exits.UNAVAILABLE
    assert json.loads(capsys.readouterr().out)["command_id"] == "id-1"


def test_help_says_what_words_a_command_takes() -> None:
    result: Any = CliRunner().invoke(add, ["--help"])
    assert "ISBN TITLE [AUTHOR] [QUANTITY]" in result.stdout
