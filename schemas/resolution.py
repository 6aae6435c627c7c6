"""Whether one Avro schema reads the values of another.

https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import fastavro

Definition: TypeAlias = dict[str, Any]
"""A parsed schema that is no union: at least its ``type``."""

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""What else each primitive type is read as."""
_NAMED = ("record", "enum", "fixed")


_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What fastavro, and what follows it, raise for texts that are no schemas."""


class NotASchema(ValueError):
    """No Avro schema; the message says why."""


class ParsedSchema:
    """A schema with its named types."""

    def __init__(self, schema: Any) -> None:
        """Take what JSON decoded. Raises NotASchema."""
        self._names: dict[str, Definition] = {}
        try:
            self.root: Any = fastavro.parse_schema([_without_marks(schema)], self._names)[0]
        except fastavro.schema.SchemaParseException as error:
            raise NotASchema(str(error)) from error
        except _DAMAGE as error:
            raise NotASchema(f"{type(error).__name__}: {error}") from error

    def definition(self, schema: Any) -> Definition:
        """A schema that is no union, with the definition in place of a name."""
        if isinstance(schema, str):
            return self._names.get(schema) or {"type": schema}
        found: Definition = schema
        return found


def mismatch(reader: ParsedSchema, writer: ParsedSchema) -> str:
    """Why ``reader`` can't read each value of ``writer``; empty if it can.

    Raises NotASchema for what fastavro does not check, for example names that are no texts.
    """
    try:
        return _Resolution(reader, writer).mismatch(reader.root, writer.root, "")
    except _DAMAGE as error:
        raise NotASchema(f"{type(error).__name__}: {error}") from error


def _without_marks(schema: Any) -> Any:
    """Without the marks with which fastavro takes a schema for checked."""
    if isinstance(schema, list):
        return [_without_marks(branch) for branch in schema]
    if isinstance(schema, dict):
        return {name: value for name, value in schema.items() if not name.startswith("__fastavro")}
    return schema


class _Resolution:
    def __init__(self, reader: ParsedSchema, writer: ParsedSchema) -> None:
        self._reader, self._writer = reader, writer
        self._compared: dict[tuple[str, str], str] = {}
        """The result for each pair of records; of one that is being compared, that it matches."""

    def mismatch(self, reader: Any, writer: Any, path: str) -> str:
        """Why ``reader`` can't read ``writer``, with the ``path`` of fields that leads there."""
        if isinstance(writer, list):
            return next(filter(None, (self.mismatch(reader, branch, path) for branch in writer)), "")
        if isinstance(reader, list):
            if any(not self.mismatch(branch, writer, path) for branch in reader):
                return ""
            return (
                f"{path or '/'}: the union has no type that reads {_shown(self._writer.definition(writer))}"
            )
        return self._of_definitions(self._reader.definition(reader), self._writer.definition(writer), path)

    def _of_definitions(self, reader: Definition, writer: Definition, path: str) -> str:
        read, written = reader["type"], writer["type"]
        if read != written:
            if read in _PROMOTIONS.get(written, ()):
                return ""
            return f"{path or '/'}: {_shown(reader)} does not read {_shown(writer)}"
        if read in _NAMED and not _same_name(reader, writer):
            return f"{path or '/'}: {_shown(reader)} has another name than {_shown(writer)}"
        match read:
            case "record":
                return self._of_records(reader, writer, path)
            case "enum":
                return _of_enums(reader, writer, path)
            case "fixed" if reader["size"] != writer["size"]:
                return f"{path or '/'}: {_shown(reader)} has another size"
            case "array":
                return self.mismatch(reader["items"], writer["items"], f"{path}/items")
            case "map":
                return self.mismatch(reader["values"], writer["values"], f"{path}/values")
            case _:
                return ""

    def _of_records(self, reader: Definition, writer: Definition, path: str) -> str:
        pair = reader["name"], writer["name"]
        if (known := self._compared.get(pair)) is not None:
            return known
        self._compared[pair] = ""
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            at = f"{path}/{field['name']}"
            names = (field["name"], *field.get("aliases", ()))
            other = next((written[name] for name in names if name in written), None)
            if other is not None:
                reason = self.mismatch(field["type"], other["type"], at)
            elif "default" in field:
                reason = ""
            else:
                reason = f"{at}: the field is not written, and has no default"
            if reason:
                self._compared[pair] = reason
                return reason
        return ""


def _of_enums(reader: Definition, writer: Definition, path: str) -> str:
    missing = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if not missing or "default" in reader:
        return ""
    return f"{path or '/'}: {_shown(reader)} has no symbol {missing[0]}, and no default"


def _same_name(reader: Definition, writer: Definition) -> bool:
    namespace = reader["name"].rpartition(".")[0]
    aliases = (
        alias if "." in alias or not namespace else f"{namespace}.{alias}"
        for alias in reader.get("aliases", ())
    )
    return writer["name"] == reader["name"] or writer["name"] in aliases


def _shown(definition: Mapping[str, Any]) -> str:
    name = f" {definition['name']}" if "name" in definition else ""
    return f"{definition['type']}{name}"
