"""Catalogue files as people have them: columns, delimiters, encodings, ISBNs that a spreadsheet changed."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.text import Malformed
from inventory.commands import AddBook
from producer.imports.columns import BadOption, assignments, csv_columns, json_columns
from producer.imports.csv_records import Unreadable
from producer.imports.files import (
    BadFile,
    Catalogue,
    Layout,
    identity,
    open_catalogue,
    require_unchanged,
    rows,
)
from producer.imports.isbns import have_lost_zeros, repaired
from producer.imports.rejects import open_rejects, write_rejects
from producer.imports.spool import Rejected

ISBN10, ISBN13 = "0439023483", "9780439023481"
A, B = "9783000000003", "9783000000010"


@pytest.mark.parametrize(
    ("cell", "isbn"),
    [
        ("439023483", ISBN10),
        (" 0439023483 ", ISBN10),
        ("012345678", "0012345678"),
        ("34566789x", "034566789x"),
        ('="0439023483"', ISBN10),
        ("439023483.0", ISBN10),
        ("9780439023481.0", ISBN13),
        ("978-0439023481", "978-0439023481"),
        ("'978-0439023481", "978-0439023481"),
        ("'439023483", ISBN10),
        ("４３９０２３４８３", ISBN10),
        ("\ufeff439\u2010023483\u200b", ISBN10),
        ("123456", "123456"),
        ("", ""),
    ],
)
def test_an_isbn_gets_back_what_a_spreadsheet_removed(cell: str, isbn: str) -> None:
    assert repaired(cell) == isbn


@pytest.mark.parametrize("cell", ["9.78043902348e+12", "9,78043902348E+12", "1e9", "9.78E12"])
def test_an_isbn_in_scientific_notation_is_refused(cell: str) -> None:
    with pytest.raises(Malformed, match="scientific notation"):
        repaired(cell)


@pytest.mark.parametrize("cell", ["03784371", "20493630", "1050124X", "1050124x", "20493630.0", "3784371"])
def test_an_issn_is_no_isbn_without_its_zeros(cell: str) -> None:
    with pytest.raises(Malformed, match="an ISSN is no ISBN"):
        repaired(cell)


@pytest.mark.parametrize(("cell", "isbn"), [("61120081", "0061120081"), ("1234567", "0001234567")])
def test_several_zeros_are_put_back_where_the_whole_column_lost_them(cell: str, isbn: str) -> None:
    assert repaired(cell, lambda: True) == isbn


NUMBERS = ["439023483", "439554934.0", "316015849", "80442957x"] * 5


@pytest.mark.parametrize(
    ("cells", "lost"),
    [
        (NUMBERS, True),
        ([*NUMBERS, "61120081", "1234567", "9780439023481", "", "n/a"], True),
        (NUMBERS[1:], False),
        ([*NUMBERS, *["20493630"] * 11], False),
        ([*NUMBERS, "03178471"], False),
        (["439023484"] * 40, False),
        (["20493630"] * 40, False),
    ],
)
def test_a_column_has_lost_its_zeros_if_many_isbns_are_one_digit_short(cells: list[str], lost: bool) -> None:
    assert have_lost_zeros(cells) == lost


def test_an_ean_of_a_periodical_is_an_ean() -> None:
    assert csv_columns(["isbn", "title"], {}, {}).command(["977-0317847001", "T"]).isbn == "9770317847001"


def test_columns_are_found_by_name_or_mapped() -> None:
    columns = csv_columns(["Writer", " TITLE", "isbn", "copies"], {"author": "writer"}, {"quantity": "4"})
    assert columns.command(["Ann", "T", ISBN10, "9"]) == AddBook(ISBN13, "T", "Ann", 4)


def test_characters_that_are_not_shown_are_no_part_of_a_column_name() -> None:
    columns = csv_columns(["\ufeffISBN\u200b", "ＴＩＴＬＥ"], {}, {})
    assert columns.command([ISBN10, "T"]).title == "T"


def test_columns_that_are_not_used_may_have_one_name() -> None:
    columns = csv_columns(["isbn", "", "title", "", "n", "n", "title 2"], {}, {})
    assert columns.command([ISBN10, "", "T", "", "", "", "U"]).title == "T"
    mapped = csv_columns(["isbn", "title", "title", "name"], {"title": "name"}, {})
    assert mapped.command([ISBN10, "x", "y", "T"]).title == "T"


def test_missing_cells_are_empty() -> None:
    columns = csv_columns(["isbn", "title", "author", "quantity"], {}, {})
    assert columns.command([ISBN10, "T"]) == AddBook(ISBN13, "T", "", 1)


@pytest.mark.parametrize(
    ("header", "mapped", "message"),
    [
        (["isbn", "name"], {}, "--map title=COLUMN; the columns are: isbn, name"),
        (["isbn", "title"], {"author": "writer"}, "no column 'writer' for author"),
        (["isbn", "title", " ISBN "], {}, "columns 1 and 3 are both called 'isbn'"),
        (["isbn", "title", "w", "w"], {"author": "W"}, "columns 3 and 4 are both called 'W'"),
    ],
)
def test_a_missing_column_is_named(header: list[str], mapped: dict[str, str], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        csv_columns(header, mapped, {})


@pytest.mark.parametrize("text", ["title", "colour=red", "=x"])
def test_a_mapping_names_a_field(text: str) -> None:
    with pytest.raises(BadOption, match="one of isbn, title"):
        assignments("--map", [text], ("isbn", "title"))


def test_a_field_that_is_given_twice_is_refused():
    with pytest.raises(BadOption, match="--map isbn is given twice, with 'A' and 'B'"):
        assignments("--map", ["isbn=A", "isbn=B"], ("isbn", "title"))


@pytest.mark.parametrize("quantity", [".0", "-.0", "1.5", "abc", "0", "-1", "1e3", "9" * 30, "٣"])
def test_a_quantity_is_a_whole_number(quantity: str) -> None:
    with pytest.raises(Malformed, match="quantity"):
        csv_columns(["isbn", "title", "quantity"], {}, {}).command([ISBN10, "T", quantity])


def test_json_members_may_be_texts_numbers_or_missing() -> None:
    columns = json_columns({"title": "name"}, {})
    row = {"isbn": 439023483, "name": "T", "author": None, "quantity": 3}
    assert columns.command(row) == AddBook(ISBN13, "T", "", 3)
    for bad in ({**row, "name": ["T"]}, {**row, "isbn": 9.78e12}, {**row, "quantity": True}):
        with pytest.raises(Malformed):
            columns.command(bad)


def catalogue_of(file: Path, content: str, written_as: str = "utf-8", **layout: str) -> Catalogue:
    file.write_bytes(content.encode(written_as))
    return open_catalogue(file, Layout(**layout))  # type: ignore[arg-type]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return tmp_path / "books.csv"


def test_mark_delimiter_quotes_and_blank_lines_are_understood(books: Path) -> None:
    content = '\ufeffisbn;title\r\n\r\n439023483;"The ""Hunger""; Games"\r\n'
    catalogue = catalogue_of(books, content)
    assert (catalogue.header, catalogue.delimiter) == (("isbn", "title"), ";")
    assert list(rows(catalogue)) == [(2, None), (3, ["439023483", 'The "Hunger"; Games'])]


@pytest.mark.parametrize(
    ("content", "line", "cells"),
    [
        (f"\n\r\n \nisbn,title\n{A},T\n", 5, [A, "T"]),
        (f",,\n;\nisbn,title\n{A},T\n", 4, [A, "T"]),
        (f"sep=;\r\nISBN;Title\r\n{A};T, with comma\r\n", 3, [A, "T, with comma"]),
        (f'\ufeff"SEP=|"\nisbn|title\n{A}|T\n', 3, [A, "T"]),
        (f"sep=\t\nisbn\ttitle\n{A}\tT\n", 3, [A, "T"]),
        (f"sep=^\nisbn^title\n{A}^T\n", 3, [A, "T"]),
        (f"isbn,title\n{A},T,\n", 2, [A, "T"]),
        (f"isbn,title\n{A},T,, ,\n", 2, [A, "T"]),
        (f"isbn,title,\n{A},T,\n", 2, [A, "T", ""]),
        (f"isbn,title\n{A}\n", 2, [A]),
        (f'\ufeff\ufeff"isbn","title"\n{A},T\n', 2, [A, "T"]),
        (f'"isbn";"title";"a, b, c"\n{A};T;\n', 2, [A, "T", ""]),
        (f"reason,isbn,reason,title\nr1,{A},r2,T\n", 2, [A, "T"]),
        (f"isbn,title\r{A},T\r", 2, [A, "T"]),
    ],
)
def test_lines_and_cells_that_a_spreadsheet_adds_are_ignored(
    content: str, line: int, cells: list[str], books: Path
) -> None:
    assert list(rows(catalogue_of(books, content))) == [(line, cells)]


def test_rows_without_content_are_blank(books: Path) -> None:
    catalogue = catalogue_of(books, f'isbn,title\n{A},T\n,,\n,\n\n" ",""\n{B},T\n,\n\x1a')
    assert list(rows(catalogue)) == [
        (2, [A, "T"]),
        *((n, None) for n in (3, 4, 5, 6)),
        (7, [B, "T"]),
        (8, None),
        (9, None),
    ]


@pytest.mark.parametrize("rows_between", ["", ",no number,x\n", f"{B},T,x\n,no number,x\n"])
def test_rows_without_an_isbn_are_not_hidden_either(rows_between: str, books: Path) -> None:
    content = f'isbn,title,notes\n{A},"T1,x\n{rows_between},T2",y\n'
    found = list(rows(catalogue_of(books, content)))
    assert [line for line, _ in found] == list(range(2, content.count("\n") + 1))
    assert all(isinstance(row, Unreadable) for _, row in found)


def test_a_cell_before_the_isbn_may_have_several_lines(books: Path) -> None:
    content = f'notes,isbn,title\n"one\ntwo",{A},T\n"one, and\ntwo, or\nthree",{B},T\n'
    assert list(rows(catalogue_of(books, content))) == [
        (2, ["one\ntwo", A, "T"]),
        (4, ["one, and\ntwo, or\nthree", B, "T"]),
    ]


def test_a_row_with_surplus_cells_is_unreadable(books: Path) -> None:
    ((line, row),) = rows(catalogue_of(books, f"isbn,title\n{A},T,more\n"))
    assert (line, row) == (2, Unreadable([A, "T", "more"], row.reason))  # type: ignore[union-attr]
    assert "3 cells, the header 2" in row.reason  # type: ignore[union-attr]


def test_two_stray_quotes_do_not_hide_the_rows_between_them(books: Path) -> None:
    content = f'isbn,title,notes\n{A},"T1,x\n{B},T2",y\n'
    found = dict(rows(catalogue_of(books, content)))
    assert {line: row.found for line, row in found.items() if isinstance(row, Unreadable)} == {
        2: [A, '"T1', "x"],
        3: [B, 'T2"', "y"],
    }


def test_a_cell_may_have_lines_that_are_no_rows(books: Path) -> None:
    catalogue = catalogue_of(books, f'isbn,title,notes\n{A},T,"two, or\n3, lines"\n{B},T,\n')
    assert list(rows(catalogue)) == [(2, [A, "T", "two, or\n3, lines"]), (4, [B, "T", ""])]


def test_a_stray_quote_in_the_header_ends_the_import(books: Path) -> None:
    with pytest.raises(BadFile, match=r"books\.csv, line 2: a quoted cell has no end"):
        catalogue_of(books, f'\nisbn,"title\n{A},T\n')


def test_text_in_another_encoding_is_an_error_with_its_line(books: Path) -> None:
    content = "isbn,title\n439023483,Čapek\n"
    with pytest.raises(BadFile, match=r"books\.csv, near line \d: not utf-8 .*--encoding"):
        list(rows(catalogue_of(books, content, "windows-1250")))
    for encoding in ("windows-1250", "utf-16", "utf-16-le"):
        mark = "\ufeff" if encoding == "utf-16-le" else ""
        catalogue = catalogue_of(books, mark + content, encoding, encoding=encoding)
        assert list(rows(catalogue)) == [(2, ["439023483", "Čapek"])]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["-le", "-be"])
def test_a_byte_order_mark_shows_the_encoding(encoding: str, order: str, books: Path) -> None:
    catalogue = catalogue_of(books, f"\ufeffisbn\ttitle\r\n{A}\tČapek\r\n", encoding + order)
    assert (catalogue.encoding, list(rows(catalogue))) == (encoding, [(2, [A, "Čapek"])])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_an_error_that_names_it(encoding: str, books: Path) -> None:
    with pytest.raises(BadFile, match=r"books\.csv, line 1: .*--encoding utf-16-le"):
        catalogue_of(books, f"isbn,title\n{A},T\n", encoding)


@pytest.mark.parametrize("content", ['[{"isbn": "1"}]', '[\n {"isbn": "1"}\n]\n'])
def test_a_json_array_is_an_error_that_names_the_way_out(content: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"JSON array.*jq -c"):
        catalogue_of(tmp_path / "books.json", content)


@pytest.mark.parametrize("encoding", ["klingon", "undefined", "rot13", "hex", "", "utf-8\x00"])
def test_an_unknown_encoding_is_a_wrong_option(encoding: str, books: Path) -> None:
    with pytest.raises(BadOption, match="encoding"):
        catalogue_of(books, "isbn,title\n", encoding=encoding)


@pytest.mark.parametrize("content", ["", "\n", ",,\n\n", "sep=;\n"])
def test_an_empty_file_is_an_error(books: Path, content: str) -> None:
    with pytest.raises(BadFile, match="empty"):
        catalogue_of(books, content)


def test_json_lines_that_are_no_objects_are_unreadable(tmp_path: Path) -> None:
    content = '{"isbn": "1", "reason": "r"}\n\n[1]\nnot json\n{}\n'
    found = list(rows(catalogue_of(tmp_path / "books.jsonl", content)))
    assert found[:2] == [(1, {"isbn": "1"}), (2, None)]
    assert [(number, row.found) for number, row in found if isinstance(row, Unreadable)] == [
        (3, "[1]"),
        (4, "not json"),
        (5, "{}"),
    ]


def test_json_lines_may_end_as_lines_of_any_system_do(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path / "books", '{"isbn": "1"}\r{"isbn": "2"}\r\n{"isbn": "3"}\n')
    assert list(rows(catalogue)) == [(n, {"isbn": str(n)}) for n in (1, 2, 3)]


def test_a_json_name_that_occurs_twice_makes_the_row_unreadable(tmp_path: Path) -> None:
    content = (
        '{"isbn": "1", "title": "a", "title": "b"}\n{"isbn": "2", "x": {"a": 1, "a": 1}}\n'
        '{"isbn": "3", "title": "a \\"title\\": b", "x": [{"a": 1}, {"a": 1}]}\n'
        '{"isbn": "4", "n": 1, "n": 1}\n{"isbn": "5", "t\\u0069tle": "a", "title": "a"}\n'
    )
    found = list(rows(catalogue_of(tmp_path / "books.jsonl", content)))
    assert [line for line, row in found if isinstance(row, Unreadable)] == [1, 2, 4, 5]
    assert all("occurs more than once" in row.reason for _, row in found if isinstance(row, Unreadable))


def test_json_lines_are_recognised_by_their_first_character(tmp_path: Path) -> None:
    assert catalogue_of(tmp_path / "stream", '\n {"isbn": "1"}\n').format == "jsonl"
    assert catalogue_of(tmp_path / "stream", "isbn,title\n").format == "csv"


def test_a_file_that_is_written_to_meanwhile_is_an_error(books: Path) -> None:
    catalogue = catalogue_of(books, f"isbn,title\n{A},T\n")
    require_unchanged(catalogue)
    with books.open("a") as file:
        file.write(f"{B},T\n")
    with pytest.raises(BadFile, match="was changed while it was read"):
        require_unchanged(catalogue)


def rejects_of(catalogue: Catalogue, rejected: Iterator[Rejected], file: Path) -> str:
    write_rejects(open_rejects(file), catalogue, rejected)
    return file.read_text("utf-8")


def test_rejects_keep_the_row_and_can_be_imported(tmp_path: Path) -> None:
    content = 'isbn,title\n1,"a, b"\n2,"line\nbreak"\n3\n4,x,y\n5,"open\n'
    rejected = [(2, "no ISBN"), (3, "no, really"), (5, "short"), (6, "long"), (7, "quote")]
    catalogue = catalogue_of(tmp_path / "a.csv", content)
    file = tmp_path / "rejects.csv"
    file.write_text("old and longer content\n" * 10)
    written = rejects_of(catalogue, iter(rejected), file)
    assert list(csv.reader(io.StringIO(written))) == [
        ["isbn", "title", "reason"],
        ["1", "a, b", "no ISBN"],
        ["2", "line\nbreak", "no, really"],
        ["3", "", "short"],
        ["4", "x", "long", "y"],
        ["5", '"open', "quote"],
    ]
    again = rejects_of(open_catalogue(file, Layout()), iter(rejected), tmp_path / "again.csv")
    assert again == written


def test_rejects_of_json_lines_are_json_lines(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path / "a.jsonl", '{"isbn": 1}\n{"isbn": 2}\nnonsense\n')
    written = rejects_of(catalogue, iter([(2, "why"), (3, "what")]), tmp_path / "rejects.jsonl")
    assert [json.loads(line) for line in written.splitlines()] == [
        {"isbn": 2, "reason": "why"},
        {"line": "nonsense", "reason": "what"},
    ]


def test_identity_is_of_content_and_reading_not_of_the_name(tmp_path: Path) -> None:
    one, two = (catalogue_of(tmp_path / name, "isbn,title\n1,a\n") for name in ("a.csv", "b.csv"))
    assert identity(one) == identity(two)
    assert identity(one, "reject") != identity(one, "add")
    mapped = open_catalogue(one.path, Layout(constants={"quantity": "2"}))
    assert identity(one) != identity(mapped)
    assert identity(one) != identity(catalogue_of(tmp_path / "b.csv", "isbn,title\n1,b\n"))
