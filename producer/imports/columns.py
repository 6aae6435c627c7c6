"""Which column of a file holds which field of a title, and the command that a row amounts to."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from foundation.text import Malformed
from inventory.commands import AddBook, checked
from producer.imports.isbns import repaired

FIELDS = ("isbn", "title", "author", "quantity")
NEEDED = ("isbn", "title")
SETTABLE = ("author", "quantity")
"""Fields that can be the same for all rows."""

Row: TypeAlias = list[str] | dict[str, Any]
"""The cells of a CSV line by index, or the members of a JSON object by name."""


class BadColumns(ValueError):
    """A mapping that does not fit the file; the message says what does."""


class Columns(Struct, frozen=True):
    """``keys`` finds a field's cell in a row; ``constants`` holds what all rows have."""

    keys: dict[str, Any]
    constants: dict[str, str]

    def command(self, row: Row) -> AddBook:
        """The title that the row describes. Raises Malformed."""
        title = AddBook(
            repaired(self._text("isbn", row)),
            self._text("title", row),
            self._text("author", row),
            _quantity(self._text("quantity", row)),
        )
        command = checked(title)
        assert isinstance(command, AddBook)
        return command

    def _text(self, field: str, row: Row) -> str:
        if field in self.constants:
            return self.constants[field]
        try:
            value = row[self.keys[field]]
        except LookupError:
            return ""
        if type(value) is str:
            return value
        if value is None:
            return ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return repr(value)
        raise Malformed(field, f"the {field} is not a text or a number")


def csv_columns(header: Sequence[str], mapped: Mapping[str, str], constants: Mapping[str, str]) -> Columns:
    """Find the fields among a CSV file's columns, by ``mapped`` or by name. Raises BadColumns."""
    indexes = {name.strip().casefold(): index for index, name in reversed(list(enumerate(header)))}
    keys = {}
    for field in FIELDS:
        wanted = mapped.get(field, field)
        index = indexes.get(wanted.strip().casefold())
        if index is not None:
            keys[field] = index
        elif field in mapped:
            raise BadColumns(
                f"there is no column {wanted!r} for {field}; the columns are: {', '.join(header)}"
            )
        elif field in NEEDED:
            raise BadColumns(
                f"no column is called {field!r}: name it with --map {field}=COLUMN; the columns are: "
                f"{', '.join(header)}"
            )
    return Columns(keys, dict(constants))


def json_columns(mapped: Mapping[str, str], constants: Mapping[str, str]) -> Columns:
    """Find the fields among a JSON object's members, by ``mapped`` or by name."""
    return Columns({field: mapped.get(field, field) for field in FIELDS}, dict(constants))


def assignments(option: str, given: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """``("title=Name",)`` as ``{"title": "Name"}``. Raises BadColumns for what names no field."""
    found = {}
    for text in given:
        field, equals, value = text.partition("=")
        if not equals or field not in fields:
            raise BadColumns(
                f"{option} {text!r}: it is FIELD=VALUE, where FIELD is one of {', '.join(fields)}"
            )
        found[field] = value
    return found


def _quantity(text: str) -> int:
    text = text.strip().removesuffix(".0")
    if not text:
        return 1
    if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19:
        return int(text)
    raise Malformed("quantity", f"the quantity is a whole number, not {text[:40]!r}")
