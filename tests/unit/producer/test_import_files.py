"""Catalogue files as people have them: columns, delimiters, encodings, ISBNs that a spreadsheet touched."""

import csv
import io
import json
from pathlib import Path

import pytest

from foundation.text import Malformed
from inventory.commands import AddBook
from producer.imports.columns import BadColumns, assignments, csv_columns, json_columns
from producer.imports.files import BadFile, Unreadable, identity, open_catalogue, rows
from producer.imports.isbns import repaired
from producer.imports.rejects import write_rejects

ISBN10, ISBN13 = "0439023483", "9780439023481"


@pytest.mark.parametrize(
    ("cell", "isbn"),
    [
        ("439023483", ISBN10),
        (" 0439023483 ", ISBN10),
        ("61120081", "0061120081"),
        ("1234567", "0001234567"),
        ("34566789x", "034566789x"),
        ('="0439023483"', ISBN10),
        ("439023483.0", ISBN10),
        ("9780439023481.0", ISBN13),
        ("978-0439023481", "978-0439023481"),
        ("123456", "123456"),
        ("", ""),
    ],
)
def test_an_isbn_damaged_by_a_spreadsheet_is_repaired(cell: str, isbn: str) -> None:
    assert repaired(cell) == isbn


@pytest.mark.parametrize("cell", ["9.78043902348e+12", "9,78043902348E+12", "1e9", "9.78E12"])
def test_an_isbn_in_scientific_notation_is_refused(cell: str) -> None:
    with pytest.raises(Malformed, match="scientific notation"):
        repaired(cell)


def test_columns_are_found_by_name_or_mapped() -> None:
    columns = csv_columns(["Writer", " TITLE", "isbn", "copies"], {"author": "writer"}, {"quantity": "4"})
    assert columns.command(["Ann", "T", ISBN10, "9"]) == AddBook(ISBN13, "T", "Ann", 4)


def test_missing_cells_are_empty() -> None:
    columns = csv_columns(["isbn", "title", "author", "quantity"], {}, {})
    assert columns.command([ISBN10, "T"]) == AddBook(ISBN13, "T", "", 1)


@pytest.mark.parametrize(
    ("header", "mapped", "says"),
    [
        (["isbn", "name"], {}, "--map title=COLUMN; the columns are: isbn, name"),
        (["isbn", "title"], {"author": "writer"}, "no column 'writer' for author"),
    ],
)
def test_a_missing_column_is_named(header: list[str], mapped: dict[str, str], says: str) -> None:
    with pytest.raises(BadColumns, match=says):
        csv_columns(header, mapped, {})


@pytest.mark.parametrize("text", ["title", "colour=red", "=x"])
def test_a_column_mapping_must_name_a_field(text: str) -> None:
    with pytest.raises(BadColumns, match="one of isbn, title"):
        assignments("--map", [text], ("isbn", "title"))


@pytest.mark.parametrize("quantity", ["1.5", "abc", "0", "-1", "1e3", "9" * 30, "٣"])
def test_a_quantity_is_a_whole_number(quantity: str) -> None:
    with pytest.raises(Malformed, match="quantity"):
        csv_columns(["isbn", "title", "quantity"], {}, {}).command([ISBN10, "T", quantity])


def test_json_lines_members_may_be_text_numbers_or_missing() -> None:
    columns = json_columns({"title": "name"}, {})
    row = {"isbn": 439023483, "name": "T", "author": None, "quantity": 3}
    assert columns.command(row) == AddBook(ISBN13, "T", "", 3)
    for bad in ({**row, "name": ["T"]}, {**row, "isbn": 9.78e12}, {**row, "quantity": True}):
        with pytest.raises(Malformed):
            columns.command(bad)


def test_csv_with_bom_delimiters_quotes_and_blank_lines_is_read(tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_bytes('\ufeffisbn;title\r\n\r\n439023483;"The ""Hunger""; Games"\r\n'.encode())
    catalogue = open_catalogue(file, None, "utf-8", None)
    assert (catalogue.header, catalogue.delimiter) == (("isbn", "title"), ";")
    assert list(rows(catalogue)) == [(2, ["439023483", 'The "Hunger"; Games'])]


def test_a_file_in_another_encoding_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_bytes("isbn,title\n439023483,Čapek\n".encode("windows-1250"))
    with pytest.raises(BadFile, match=r"books\.csv, near line \d: not utf-8 .*--encoding"):
        list(rows(open_catalogue(file, None, "utf-8", None)))
    assert list(rows(open_catalogue(file, None, "windows-1250", None))) == [(1, ["439023483", "Čapek"])]
    with pytest.raises(BadFile, match="unknown"):
        open_catalogue(file, None, "klingon", None)


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_is_named_as_such(tmp_path: Path, content: str) -> None:
    file = tmp_path / "empty.csv"
    file.write_text(content)
    with pytest.raises(BadFile, match="empty"):
        open_catalogue(file, None, "utf-8", None)


def test_an_unclosed_quote_is_named(tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text('isbn,title\n1,"open\n' + "x\n" * 1_000_000)
    catalogue = open_catalogue(file, None, "utf-8", None)
    with pytest.raises(BadFile, match="quote not closed"):
        list(rows(catalogue))


def test_json_lines_that_are_not_objects_are_rejected_rows(tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    file.write_text('{"isbn": "1", "reason": "r"}\n\n[1]\nnot json\n{}\n', "utf-8")
    found = list(rows(open_catalogue(file, None, "utf-8", None)))
    assert found[0] == (1, {"isbn": "1"})
    assert [(number, row.found) for number, row in found[1:] if isinstance(row, Unreadable)] == [
        (3, "[1]"),
        (4, "not json"),
        (5, "{}"),
    ]


def test_rejects_keep_the_row_and_can_be_fed_back(tmp_path: Path) -> None:
    source, rejects, again = tmp_path / "a.csv", tmp_path / "rejects.csv", tmp_path / "again.csv"
    source.write_text('isbn,title\n1,"a, b"\n2,"line\nbreak"\n3\n4,x,y\n', "utf-8")
    refused = [(1, "no ISBN"), (2, "no, really"), (3, "short"), (4, "long")]
    write_rejects(rejects, open_catalogue(source, None, "utf-8", None), iter(refused))
    written = list(csv.reader(io.StringIO(rejects.read_text("utf-8"))))
    assert written == [
        ["isbn", "title", "reason"],
        ["1", "a, b", "no ISBN"],
        ["2", "line\nbreak", "no, really"],
        ["3", "", "short"],
        ["4", "x", "long", "y"],
    ]
    write_rejects(again, open_catalogue(rejects, None, "utf-8", None), iter(refused))
    assert again.read_text("utf-8") == rejects.read_text("utf-8")


def test_rejects_of_json_lines_are_json_lines(tmp_path: Path) -> None:
    source, rejects = tmp_path / "a.jsonl", tmp_path / "rejects.jsonl"
    source.write_text('{"isbn": 1}\n{"isbn": 2}\nnonsense\n', "utf-8")
    refused = iter([(2, "why"), (3, "what")])
    write_rejects(rejects, open_catalogue(source, None, "utf-8", None), refused)
    assert [json.loads(line) for line in rejects.read_text("utf-8").splitlines()] == [
        {"isbn": 2, "reason": "why"},
        {"line": "nonsense", "reason": "what"},
    ]


def test_an_imports_identity_is_its_content_not_its_file_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    for file in (first, second):
        file.write_text("isbn,title\n1,a\n", "utf-8")
    one, two = (open_catalogue(file, None, "utf-8", None) for file in (first, second))
    assert identity(one, {"map": {}}) == identity(two, {"map": {}})
    assert identity(one, {"map": {}}) != identity(one, {"map": {"title": "x"}})
    second.write_text("isbn,title\n1,b\n", "utf-8")
    assert identity(one, {"map": {}}) != identity(two, {"map": {}})
