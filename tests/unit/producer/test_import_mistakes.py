"""Files and options that can't work: one sentence names the way, and no row is rejected for it."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from foundation.text import Malformed
from producer.imports.columns import BadOption, json_columns, require_constants
from producer.imports.files import BadFile, Layout, open_catalogue

ISBN10 = "0439023483"


@pytest.mark.parametrize(
    ("constants", "mapped", "message"),
    [
        ({"quantity": "abc"}, {}, "whole number, not 'abc'"),
        ({"quantity": "0"}, {}, "1 to 1000000, not 0"),
        ({"quantity": "9" * 30}, {}, "1 to 1000000, not a number of that size"),
        ({"quantity": " "}, {}, "no value"),
        ({"author": "a\nb"}, {}, "control character"),
        ({"author": "a" * 5000}, {}, "5000 characters"),
        ({"author": "x"}, {"author": "Writer"}, "author is given twice"),
    ],
)
def test_a_value_for_all_rows_that_no_title_can_have_is_a_wrong_option(
    constants: dict[str, str], mapped: dict[str, str], message: str
) -> None:
    with pytest.raises(BadOption, match=message):
        require_constants(constants, mapped)
    require_constants({"author": "Ann", "quantity": "4"}, {"title": "Name"})


def test_a_json_object_without_a_required_member_names_those_it_has() -> None:
    for row, field in (({"ISBN": "1", "Title": "T"}, "isbn"), ({"isbn": ISBN10, "Title": "T"}, "title")):
        with pytest.raises(Malformed, match=f"no member '{field}': --map {field}=MEMBER .*Title"):
            json_columns({}, {}).command(row)
    with pytest.raises(Malformed, match="no member 'nope': --map title=MEMBER"):
        json_columns({"title": "nope"}, {}).command({"isbn": ISBN10, "title": "T"})


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"PK\x03\x04\x14\0[Content_Types].xml", "Excel.*save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "old Excel: save it as CSV"),
        (b"%PDF-1.7\n", "a PDF"),
        (gzip.compress(b"isbn,title\n", mtime=0), "gunzip -c FILE . library import -"),
        (bz2.compress(b"isbn,title\n"), "bunzip2 -c"),
        (lzma.compress(b"isbn,title\n"), "xz -dc"),
        (b"\x28\xb5\x2f\xfd\x04\0", "zstd -dc"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_file_that_is_no_text_is_named(content: bytes, advice: str, encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_bytes(content)
    with pytest.raises(BadFile, match=rf"books\.csv is .*{advice}"):
        open_catalogue(file, Layout(encoding=encoding))


@pytest.mark.parametrize("name", ["books.jsonl", "books.json"])
@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ('[{"isbn": "1"}]\n', r"JSON array: .*jq -c '\.\[\]'"),
        ('{\n "isbn": "1"\n}\n', r"several lines: .*jq -c \."),
    ],
)
def test_json_that_is_not_one_object_a_line_names_the_way_out(
    name: str, content: str, advice: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(BadFile, match=advice):
        open_catalogue(file, Layout())
