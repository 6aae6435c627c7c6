"""The file of a run's history has what docs/verdict.md says."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from eventstore.state.outcomes import Accepted, Appended, OutcomeUnknown, Receipt, Refused, Unwritable
from inventory.rules import Rejection
from tests.chaos.checker import Logged
from tests.chaos.history import Read, Recorder, read
from tests.chaos.history_file import write_history

ISBN = "9780000000101"
BORROW = {"type": "BorrowBook", "isbn": ISBN, "user_id": "ann"}
RETURN = {"type": "ReturnBook", "isbn": ISBN, "user_id": None}
DONE = Accepted(Receipt("c", ISBN, (Appended("BookBorrowed", 2),), "0:4"))


class Clock:
    """Each look at it is 1,500 ns later."""

    def __init__(self) -> None:
        self.now = 10_000_000

    def __call__(self) -> int:
        self.now += 1_500
        return self.now


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr("tests.chaos.history.time.monotonic_ns", Clock())
    return Recorder(tmp_path / "long-0.jsonl")


def lines_of(folder: Path, log: tuple[Logged, ...] = ()) -> list[dict[str, Any]]:
    file = folder / "history.jsonl.gz"
    recorded = read([folder / "long-0.jsonl"])
    write_history(file, {"seed": 7}, recorded, log, (20_000_000, 20_000_001))
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return [json.loads(line) for line in text]


def answers(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line["answer"] for line in lines if "answer" in line]


def test_a_history_begins_with_its_format_and_its_run(recorder: Recorder, tmp_path: Path):
    recorder.called("c", BORROW)
    assert lines_of(tmp_path)[0] == {"history": 1, "seed": 7}


def test_an_attempt_has_its_times_in_microseconds_its_command_and_its_answer(
    recorder: Recorder, tmp_path: Path
):
    recorder.called("c", BORROW)
    recorder.returned("c", DONE)
    answer = {"what": "accepted", "event": "BookBorrowed", "version": 2, "position": "0:4"}
    attempt = {"call": 0, "end": 2, "id": "long-0.1", "command": BORROW, "answer": answer}
    assert lines_of(tmp_path)[1] == attempt


def test_an_attempt_that_a_kill_cut_off_has_an_unknown_outcome(recorder: Recorder, tmp_path: Path):
    recorder.called("c", RETURN)
    recorder.called("c", RETURN)
    recorder.returned("c", OutcomeUnknown("late"))
    recorder.called("c", RETURN)
    recorder.returned("c", DONE)
    attempts = lines_of(tmp_path)[1:4]
    assert [line["answer"]["what"] for line in attempts] == ["unknown", "unknown", "accepted"]
    assert ["end" in line for line in attempts] == [False, False, True]
    assert {line["id"] for line in attempts} == {"long-0.1"}
    assert attempts[0]["command"] == {"type": "ReturnBook", "isbn": ISBN}


def test_answers_without_an_event_are_told_apart(recorder: Recorder, tmp_path: Path):
    unchanged = Accepted(Receipt("c", ISBN, (), "0:4"))
    for outcome in (unchanged, Refused(Rejection("not_on_loan", "no")), Unwritable("a long reason")):
        recorder.called("c", BORROW)
        recorder.returned("c", outcome)
    expected = [{"what": "unchanged"}, {"what": "refused", "code": "not_on_loan"}, {"what": "unwritable"}]
    assert answers(lines_of(tmp_path)) == expected


def test_a_read_has_both_positions_and_the_row(recorder: Recorder, tmp_path: Path):
    row = {"isbn": ISBN, "version": 2, "title": "t", "author": "a", "quantity": 1, "on_loan": 1, "x": 0}
    recorder.read(Read("long-0", ISBN, "api-1", "0:3", 5_000, 7_001, 200, "0:4", row))
    recorder.read(Read("long-0", ISBN, "api-0", "", 8_000, 9_000, 503, "", {"detail": "not ready"}))
    recorder.called("c", BORROW)
    recorder.returned("c", DONE)
    first, second = [line for line in lines_of(tmp_path) if "read" in line]
    assert (first["call"], first["end"], first["read"], first["api"], first["after"]) == (
        0,
        3,
        ISBN,
        "api-1",
        "0:3",
    )
    del row["isbn"], row["x"]
    assert first["answer"] == {"status": 200, "position": "0:4", **row}
    assert second["answer"] == {"status": 503, "position": ""}


def test_the_last_line_of_a_title_is_its_log(recorder: Recorder, tmp_path: Path):
    recorder.called("c", BORROW)
    recorder.returned("c", DONE)
    log = (
        Logged(0, 2, 0, f"{ISBN}/1", "somebody", "BookAdded", {"isbn": ISBN}),
        Logged(0, 4, 0, f"{ISBN}/2", "c", "BookBorrowed", {"isbn": ISBN}),
        Logged(0, 6, 0, "9780000000002/1", "d", "BookAdded", {"isbn": "9780000000002"}),
    )
    last = lines_of(tmp_path, log)[-1]
    assert last["log"] == ISBN
    assert last["events"] == [[1, "BookAdded", "somebody", "0:2"], [2, "BookBorrowed", "long-0.1", "0:4"]]
