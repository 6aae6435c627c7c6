"""Rows on a terminal of any width."""

import io
import json
import sys
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from foundation.cli.tables import Column, Row, print_rows, print_table
from library.commands.queries import HISTORY_COLUMNS, LOAN_COLUMNS, title_columns

LOANS: list[Row] = [
    {
        "isbn": "978-1-59327-584-6",
        "title": "The Linux Command Line: A Complete Introduction, Second Edition",
        "user_id": user,
        "borrowed_at": "2026-01-10T09:30:00.123Z",
        "due_at": "2026-01-31T22:59:59.999Z",
        "overdue": False,
    }
    for user in ("ann", "maria.novak")
]
HISTORY: list[Row] = [
    {
        "version": 12,
        "time": "2026-01-10T09:30:00.123Z",
        "type": "BookBorrowed",
        "data": "user_id=maria.novakova due_at=2026-01-31T22:59:59.999Z",
        "command_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "position": "3:1017",
    }
]
TITLES: list[Row] = [
    {
        "isbn": "978-1-59327-584-6",
        "title": "図書館の本 " * 8,
        "author": "Ann Author",
        "quantity": 10,
        "available": 8,
        "on_loan": 2,
    }
]


def table(columns: tuple[Column, ...], rows: list[Row], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, no_color=True)
    print_table(console, columns, rows, ZoneInfo("Europe/Prague"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def test_a_wide_terminal_shows_everything() -> None:
    heading, first, _ = table(LOAN_COLUMNS, LOANS, 140)
    assert heading.split() == ["isbn", "title", "user", "borrowed", "due", "overdue"]
    assert "2026-01-10 10:30" in first
    assert "2026-01-31 23:59" in first
    assert "Second Edition" in first


@pytest.mark.parametrize("width", [80, 60, 50, 42, 40])
def test_a_narrow_terminal_keeps_isbn_borrower_and_due_date(width: int) -> None:
    lines = table(LOAN_COLUMNS, LOANS, width)
    assert max(map(len, lines)) <= width
    assert len(lines) == 3
    for line, user in zip(lines[1:], ("ann", "maria.novak"), strict=True):
        words = line.split()
        assert words[0].replace("-", "") == "9781593275846"
        assert user in words
        assert "2026-01-31" in words


@pytest.mark.parametrize("width", [80, 60, 40, 20])
def test_a_narrow_terminal_keeps_what_happened(width: int) -> None:
    lines = table(HISTORY_COLUMNS, HISTORY, width)
    text = " ".join(" ".join(lines).split())
    for part in ("12", "2026-01-10", "BookBorrowed", "user_id=maria.novakova", "due_at=2026-01-31"):
        assert part in text
    if width == 80:
        assert "4bf92f35" not in text
        assert len(lines) <= 3


@pytest.mark.parametrize("width", [80, 40])
def test_a_title_takes_one_line(width: int) -> None:
    lines = table(title_columns(), TITLES, width)
    assert len(lines) == 2
    assert lines[1].split()[0].replace("-", "") == "9781593275846"


def test_where_no_table_fits_each_cell_has_a_line() -> None:
    assert table(LOAN_COLUMNS, LOANS[:1], 20) == [
        "isbn: 978-1-59327-584-6",
        "title: The Linux Co…",
        "user: ann",
        "borrowed: 2026-01-10 10:30",
        "due: 2026-01-31 23:59",
        "overdue: no",
    ]


def test_a_text_does_not_turn_the_cells_after_it() -> None:
    row = {"title": "\u202eTop\u2066s", "author": "Ann \u05d0\u05d1"}
    assert table((Column("title"), Column("author")), [row], 80)[1] == "Tops   Ann \u05d0\u05d1"


def test_lines_in_a_pipe_have_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Row] = [{"a": 1, "b": "x\ty\nz"}, {"a": None}]
    print_rows(["a", "b"], iter(rows))
    assert capsys.readouterr().out == "a\tb\n1\tx y z\n\t\n"


def test_csv_quotes_and_has_a_header_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["a", "b"], [{"a": 'say "x"', "b": True, "c": 1}], as_csv=True)
    print_rows(["a", "b"], [], as_csv=True, nothing="no rows")
    captured = capsys.readouterr()
    assert captured.out == 'a,b\n"say ""x""",yes\na,b\n'
    assert captured.err == "no rows\n"


def test_csv_keeps_characters_that_would_end_a_line_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["a"], [{"a": "one\u2028two\tthree"}], as_csv=True)
    assert capsys.readouterr().out == "a\none\u2028two\tthree\n"


@pytest.mark.parametrize(("as_json", "written"), [(False, "a\nČ\n"), (True, '{"a": "Č"}\n')])
def test_programs_read_utf_8_whatever_the_locale_is(
    as_json: bool, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1", errors="backslashreplace"))
    print_rows(["a"], [{"a": "Č"}], as_json, as_csv=not as_json)
    sys.stdout.flush()
    assert raw.getvalue() == written.encode()


def test_json_lines_have_all_members(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["a"], [{"a": "ř", "b": None}], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": "ř", "b": None}
