"""Finds the fields of a title among a file's columns, and makes a command of a row."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from foundation.text import Malformed
from inventory.commands import AddBook, checked
from producer.imports.isbns import repaired

FIELDS = ("isbn", "title", "author", "quantity")
REQUIRED = ("isbn", "title")
MOST_NAMES = 10
"""Members that an error names."""
_SAMPLE_ISBN = "9780306406157"
SETTABLE = ("author", "quantity")
"""Fields that can have one value for all rows."""

Row: TypeAlias = list[str] | dict[str, Any]
"""The cells of a CSV record by index, or the members of a JSON object by name."""


class BadOption(ValueError):
    """An option that does not fit the file; the message says which values do."""


class Columns(Struct, frozen=True):
    """``keys`` has the cell of each field; ``constants`` has the fields that are the same in all rows."""

    keys: dict[str, Any]
    constants: dict[str, str]

    def isbn(self, row: Row) -> str:
        """The row's ISBN as it is in the file. Raises Malformed."""
        return self._text("isbn", row)

    def command(self, row: Row, zeros_dropped: Callable[[], bool] = lambda: False) -> AddBook:
        """The command that adds the row's title; see ``repaired`` for ``zeros_dropped``. Raises Malformed."""
        title = AddBook(
            repaired(self.isbn(row), zeros_dropped),
            self._text("title", row),
            self._text("author", row),
            _quantity(self._text("quantity", row)),
        )
        command = checked(title)
        assert isinstance(command, AddBook)
        return command

    def _text(self, field: str, row: Row) -> str:
        if self.constants and field in self.constants:
            return self.constants[field]
        try:
            value = row[self.keys[field]]
        except LookupError:
            if isinstance(row, dict) and field in REQUIRED:
                raise Malformed(field, _lacks(field, self.keys[field], row)) from None
            return ""
        if type(value) is str:
            return value
        if value is None:
            return ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return repr(value)
        raise Malformed(field, f"the {field} is not a text or a number")


def csv_columns(header: Sequence[str], mapped: Mapping[str, str], constants: Mapping[str, str]) -> Columns:
    """Find the fields among a CSV file's columns, by ``mapped`` or by name. Raises BadOption."""
    names = [_compared(name) for name in header]
    keys = {}
    for field in FIELDS:
        wanted = mapped.get(field, field)
        found = [index for index, name in enumerate(names) if name == _compared(wanted)]
        if len(found) > 1:
            places = " and ".join(str(index + 1) for index in found)
            raise BadOption(
                f"columns {places} are both called {wanted!r}: rename one, or name another with --map "
                f"{field}=COLUMN; the columns are: {', '.join(header)}"
            )
        if found:
            keys[field] = found[0]
        elif field in mapped:
            raise BadOption(
                f"there is no column {wanted!r} for {field}; the columns are: {', '.join(header)}"
            )
        elif field in REQUIRED:
            raise BadOption(
                f"no column is called {field!r}: name it with --map {field}=COLUMN; the columns are: "
                f"{', '.join(header)}"
            )
    return Columns(keys, dict(constants))


def json_columns(mapped: Mapping[str, str], constants: Mapping[str, str]) -> Columns:
    """Find the fields among a JSON object's members, by ``mapped`` or by name."""
    return Columns({field: mapped.get(field, field) for field in FIELDS}, dict(constants))


def assignments(option: str, texts: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """``("title=Name",)`` as ``{"title": "Name"}``. Raises BadOption for an unknown or a repeated field."""
    assigned = dict[str, str]()
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals or field not in fields:
            raise BadOption(
                f"{option} {text!r}: it is FIELD=VALUE, where FIELD is one of {', '.join(fields)}"
            )
        if field in assigned:
            raise BadOption(f"{option} {field} is given twice, with {assigned[field]!r} and {value!r}")
        assigned[field] = value
    return assigned


def require_constants(constants: Mapping[str, str], mapped: Mapping[str, str]) -> None:
    """Raises BadOption for a constant that no title can have, or of a field that is mapped, too."""
    for field, value in constants.items():
        if field in mapped:
            raise BadOption(f"{field} is given twice, with --map and with --set")
        if field == "quantity" and not value.strip():
            raise BadOption("--set quantity= has no value")
    try:
        checked(
            AddBook(_SAMPLE_ISBN, "T", constants.get("author", ""), _quantity(constants.get("quantity", "")))
        )
    except Malformed as error:
        raise BadOption(f"--set: {error}") from error


def _lacks(field: str, name: str, row: Mapping[str, Any]) -> str:
    there = ", ".join(list(row)[:MOST_NAMES])
    return f"the object has no member {name!r}: --map {field}=MEMBER names another; it has {there[:200]}"


def _quantity(text: str) -> int:
    # Most of them, quickly
    if len(text) < 19 and text.isascii() and text.isdigit():
        return int(text)
    if not text.strip():
        return 1
    whole = text.strip().removesuffix(".0")
    if whole.isascii() and whole.removeprefix("-").isdigit() and len(whole) <= 40:
        return int(whole)
    raise Malformed("quantity", f"the quantity is a whole number, not {text[:40]!r}")


def _compared(name: str) -> str:
    """A column's name without case, spaces around it, and characters that are not shown."""
    shown = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    return shown.strip().casefold()
