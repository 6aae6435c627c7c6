"""Stray quotes: each row is read, or unreadable with its line; no row takes the text of another."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producer.imports.csv_records import MAX_CELL_CHARACTERS, MAX_RECORD_LINES, Unreadable, csv_records

Found = list[tuple[int, list[str] | str]]


def found(text: str, row_starts_with: str = "#") -> Found:
    """The records of a text; an unreadable one as its raw text."""
    lines = io.StringIO(text, newline="")
    records = csv_records(
        lines, ",", lambda record: any(line.startswith(row_starts_with) for line in record[1:])
    )
    return [(n, ",".join(r.found) if isinstance(r, Unreadable) else r) for n, r in records]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('1,"6"" floppy\n2,b\n3,c\n', [(1, '1,"6"" floppy'), (2, ["2", "b"]), (3, ["3", "c"])]),
        ('1,"said "hi", ok\n2,b\n', [(1, '1,"said "hi", ok'), (2, ["2", "b"])]),
        ('1,"open\n2,"closed"\n3,c\n', [(1, '1,"open'), (2, ["2", "closed"]), (3, ["3", "c"])]),
        ('1,"open\n2,b\n3,"open\n', [(1, '1,"open'), (2, ["2", "b"]), (3, '3,"open')]),
        ('1,a\n2,"open', [(1, ["1", "a"]), (2, '2,"open')]),
        ('1,12" single\n2,b\n', [(1, ["1", '12" single']), (2, ["2", "b"])]),
        ('1,"two\nlines"\n2,b\n', [(1, ["1", "two\nlines"]), (3, ["2", "b"])]),
        ('1,"two\r\nlines"\r\n2,b\r\n', [(1, ["1", "two\r\nlines"]), (3, ["2", "b"])]),
        ('"a ""b"" c",d\n', [(1, ['a "b" c', "d"])]),
        ('1, "a, b", c\n2,b\n', [(1, ["1", "a, b", "c"]), (2, ["2", "b"])]),
        ('  "1","a"\n', [(1, ["1", "a"])]),
        ('1, "two\nlines"\n2,b\n', [(1, ["1", "two\nlines"]), (3, ["2", "b"])]),
        ('1, "open\n2,b\n', [(1, '1, "open'), (2, ["2", "b"])]),
        ('1, "said" she\n2,b\n', [(1, '1, "said" she'), (2, ["2", "b"])]),
        ("1,a\n\n2,b\n", [(1, ["1", "a"]), (2, []), (3, ["2", "b"])]),
        ("1,a\r2,b\r", [(1, ["1", "a"]), (2, ["2", "b"])]),
    ],
)
def test_a_stray_quote_spoils_its_own_line_only(text: str, expected: Found) -> None:
    assert found(text) == expected


def test_a_cell_that_contains_a_row_is_no_cell() -> None:
    text = '#1,"T1,x\n#2,T2",y\n#3,T3\n'
    assert found(text) == [(1, '#1,"T1,x'), (2, '#2,T2",y'), (3, ["#3", "T3"])]


def test_a_cell_without_end_is_given_up() -> None:
    rest = "x\n" * (2 * MAX_RECORD_LINES)
    records = found('1,"open\n' + rest)
    assert records[:2] == [(1, '1,"open'), (2, ["x"])]
    assert len(records) == 1 + 2 * MAX_RECORD_LINES
    long = "x" * (MAX_CELL_CHARACTERS + 1)
    assert found(f'1,"{long}"\n2,b\n')[1:] == [(2, ["2", "b"])]


cells = st.text('ab", \n', max_size=6)


@example([[" ", ", "]])
@given(st.lists(st.lists(cells, min_size=2, max_size=3), max_size=6))
def test_what_a_writer_quotes_is_read_as_written(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    assert [record for _, record in found(written.getvalue())] == rows


@given(st.lists(st.text('ab",\n', max_size=8), max_size=8).map("\n".join))
def test_every_line_of_any_text_is_in_one_record(text: str) -> None:
    lines = io.StringIO(text, newline="").readlines()
    records = found(text)
    ends = [*(number for number, _ in records[1:]), len(lines) + 1]
    assert [number for number, _ in records[:1]] == [1] * bool(lines)
    for (number, record), end in zip(records, ends, strict=False):
        assert number < end
        if isinstance(record, str):
            assert (end, record) == (number + 1, lines[number - 1].rstrip("\r\n"))
