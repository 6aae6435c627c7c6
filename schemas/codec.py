"""Avro values in Confluent's framing: byte 0, the schema's id in 4 bytes, the body.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

import json
import struct
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

import fastavro
from msgspec import Struct
from msgspec.structs import asdict

from schemas import events, row
from schemas.row import Held, InventoryRow, Loan, TablePosition

Value: TypeAlias = events.Event | InventoryRow | TablePosition

_PREFIX = struct.Struct(">bI")


class Undecodable(ValueError):
    """These bytes are no value of the contract; the message says why."""


class UnknownSchema(Undecodable):
    """The schema id is not in ``ids.json``: written by a newer program."""


class Schema(NamedTuple):
    """A committed schema: ``text`` as published, ``parsed`` for fastavro."""

    id: int
    subject: str
    version: int
    text: str
    parsed: dict[str, Any]


@cache
def schemas() -> dict[int, Schema]:
    """All committed schemas by id."""
    folder = files("schemas") / "avsc"
    found = {}
    for number, name in json.loads((folder / "ids.json").read_text("utf-8")).items():
        text = (folder / name).read_text("utf-8")
        subject, version, _ = name.split(".")
        # Times stay integers here: the logical type would cost a datetime for each
        parsed = fastavro.parse_schema(_without_logical_types(json.loads(text)), named_schemas={})
        found[int(number)] = Schema(int(number), subject, int(version), text, parsed)  # type: ignore[arg-type]
    return found


@cache
def newest(subject: str) -> Schema:
    """The schema that values of ``subject`` are written with."""
    return max((s for s in schemas().values() if s.subject == subject), key=lambda s: s.version)


def encode(value: Value) -> bytes:
    """Frame ``value`` under the newest schema of its type."""
    schema, prefix = _writer(type(value).__name__)
    out = BytesIO()
    out.write(prefix)
    fastavro.schemaless_writer(out, schema, _plain(value))
    return out.getvalue()


def decode(data: bytes | None) -> Value:
    """Read a framed value. Raises Undecodable, or UnknownSchema for an id that is not committed."""
    schema, body = _open(data)
    reader = newest(schema.subject)
    try:
        fields = fastavro.schemaless_reader(body, schema.parsed, None if reader is schema else reader.parsed)
        if body.read(1):
            raise Undecodable(f"bytes follow the {schema.subject}")
        return _typed(schema.subject, fields)  # type: ignore[arg-type]
    except Undecodable:
        raise
    # fastavro raises whatever its C code meets in damaged input
    except (
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        MemoryError,
        ArithmeticError,
    ) as error:
        raise Undecodable(f"not a {schema.subject}: {error or type(error).__name__}") from error


def type_name(data: bytes | None) -> str:
    """The type of a framed value, from its id alone. Raises as ``decode``."""
    return _open(data)[0].subject


def _open(data: bytes | None) -> tuple[Schema, BytesIO]:
    if data is None or len(data) < _PREFIX.size:
        raise Undecodable("no value" if not data else f"only {len(data)} bytes")
    magic, number = _PREFIX.unpack_from(data)
    if magic != 0:
        raise Undecodable(f"first byte {magic}, not 0")
    schema = schemas().get(number)
    if schema is None:
        raise UnknownSchema(f"schema id {number} is unknown here: upgrade, or run `library doctor`")
    body = BytesIO(data)
    body.seek(_PREFIX.size)
    return schema, body


@cache
def _writer(subject: str) -> tuple[dict[str, Any], bytes]:
    schema = newest(subject)
    return schema.parsed, _PREFIX.pack(0, schema.id)


def _plain(value: Struct) -> dict[str, Any]:
    fields = asdict(value)
    if isinstance(value, InventoryRow):
        fields["loans"] = [asdict(loan) for loan in value.loans]
        fields["held"] = asdict(value.held) if value.held else None
    return fields


def _typed(subject: str, fields: dict[str, Any]) -> Value:
    if subject == "InventoryRow":
        fields["loans"] = tuple(Loan(**loan) for loan in fields["loans"])
        fields["held"] = Held(**fields["held"]) if fields["held"] else None
        return InventoryRow(**fields)
    kind = getattr(row if subject == "TablePosition" else events, subject)
    value: Value = kind(**fields)
    return value


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(item) for item in schema]
    return schema
