"""Avro values in Confluent's framing: byte 0, the schema's id in 4 bytes, the body.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
import msgspec
from msgspec import Struct

from eventstore.flat_record import BODY, FlatDecoder, flat_decoder

_PREFIX = struct.Struct(">bI")


class Undecodable(ValueError):
    """The bytes are not a value of the contract; the message says why."""


class UnknownSchema(Undecodable):
    """The schema id is not committed here: a newer program wrote the value."""


class SchemaMismatch(TypeError):
    """A struct and its committed schema have different fields; the message names them."""


def schema_id(data: bytes | None) -> int | None:
    """The id of the schema that a framed value names; None for bytes that are not framed."""
    if data is None or len(data) < _PREFIX.size or data[0] != 0:
        return None
    number: int = _PREFIX.unpack_from(data)[1]
    return number


class Schema(NamedTuple):
    """A committed schema: ``text`` as published, ``parsed`` for fastavro."""

    id: int
    subject: str
    version: int
    text: str
    parsed: dict[str, Any]


class Registry(NamedTuple):
    """The schemas that one package commits under ``avsc/``, and the struct of each record in them.

    ``ids.json`` maps ids to files ``<subject>.<version>.avsc``. Ids from 101 to 199 are the engine's own.
    """

    package: str
    types: tuple[type[Struct], ...]


class Codec:
    """Encodes and decodes the values of one or more registries. Nothing is read before the first use.

    Every method raises SchemaMismatch when a struct and the newest schema of its name disagree: a field that
    the schema lacks would be dropped silently.
    """

    def __init__(self, *registries: Registry) -> None:
        self._registries = registries
        self._types = {kind.__name__: kind for registry in registries for kind in registry.types}
        self._newest: dict[str, Schema] = {}
        self._flat: dict[bytes, FlatDecoder] = {}
        """By the frame of a value."""
        self._writers: dict[str, tuple[dict[str, Any], bytes]] = {}

    @cached_property
    def schemas(self) -> Mapping[int, Schema]:
        """All committed schemas by id."""
        found: dict[int, Schema] = {}
        for package, _ in self._registries:
            folder = files(package) / "avsc"
            for number, name in json.loads((folder / "ids.json").read_text("utf-8")).items():
                text = (folder / name).read_text("utf-8")
                subject, version, _ = name.split(".")
                # Times stay integers: the logical type would cost a datetime for each
                plain = _without_logical_types(json.loads(text))
                parsed: Any = fastavro.parse_schema(plain, named_schemas={})
                found[int(number)] = Schema(int(number), subject, int(version), text, parsed)
        for schema in found.values():
            if schema.version == max(s.version for s in found.values() if s.subject == schema.subject):
                self._newest[schema.subject] = schema
                self._require_same_fields(schema)
                if (fast := flat_decoder(schema.parsed, self._types[schema.subject])) is not None:
                    self._flat[_PREFIX.pack(0, schema.id)] = fast
        return found

    def newest(self, subject: str) -> Schema:
        """The schema that values of ``subject`` are written with."""
        if not self._newest:
            _ = self.schemas
        return self._newest[subject]

    def encode(self, value: Struct) -> bytes:
        """Frame ``value`` under the newest schema of its type."""
        schema, prefix = self._writers.get(type(value).__name__) or self._writer(type(value).__name__)
        out = BytesIO()
        out.write(prefix)
        fastavro.schemaless_writer(out, schema, msgspec.to_builtins(value, builtin_types=(bytes,)))
        return out.getvalue()

    def decode(self, data: bytes | None) -> Any:
        """Read a framed value as its struct.

        Raises Undecodable, or UnknownSchema for an id that is not committed.
        """
        if data is not None and (fast := self._flat.get(data[:BODY])) is not None:
            value = fast(data)
            if value is not None:
                return value
        schema, body = self._open(data)
        reader = self._newest[schema.subject]
        try:
            fields = fastavro.schemaless_reader(
                body, schema.parsed, None if reader is schema else reader.parsed
            )
            if body.read(1):
                raise Undecodable(f"bytes follow the {schema.subject}")
            return msgspec.convert(fields, self._types[schema.subject])
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

    def event_decoder(self, *kinds: type[Struct]) -> Callable[[bytes | None], Any]:
        """``decode`` of events of these types. It raises Undecodable for other values, too."""
        flat: dict[bytes, FlatDecoder] = {}
        """Those of ``kinds`` that were met."""
        allowed = frozenset(kinds)

        def decode(data: bytes | None) -> Any:
            if data is not None and (fast := flat.get(data[:BODY])) is not None:
                value = fast(data)
                if value is not None:
                    return value
            value = self.decode(data)
            if type(value) not in allowed:
                raise Undecodable(f"a {type(value).__name__} is no event")
            if data is not None and (fast := self._flat.get(data[:BODY])) is not None:
                flat[data[:BODY]] = fast
            return value

        return decode

    def type_name(self, data: bytes | None) -> str:
        """The type of a framed value, from its id alone. Raises as ``decode``."""
        return self._open(data)[0].subject

    def _open(self, data: bytes | None) -> tuple[Schema, BytesIO]:
        if data is None or len(data) < _PREFIX.size:
            raise Undecodable("no value" if not data else f"only {len(data)} bytes")
        magic, number = _PREFIX.unpack_from(data)
        if magic != 0:
            raise Undecodable(f"first byte {magic}, not 0")
        schema = self.schemas.get(number)
        if schema is None:
            raise UnknownSchema(f"schema id {number} is unknown here: upgrade, or run `library doctor`")
        body = BytesIO(data)
        body.seek(BODY)
        return schema, body

    def _writer(self, subject: str) -> tuple[dict[str, Any], bytes]:
        schema = self.newest(subject)
        writer = self._writers[subject] = schema.parsed, _PREFIX.pack(0, schema.id)
        return writer

    def _require_same_fields(self, schema: Schema) -> None:
        for record in _records(json.loads(schema.text)):
            name, fields = record["name"], [field["name"] for field in record["fields"]]
            kind = self._types.get(name)
            if kind is None:
                raise SchemaMismatch(f"{name} of {schema.subject}.{schema.version}.avsc has no struct")
            if set(kind.__struct_fields__) != set(fields):
                raise SchemaMismatch(
                    f"{name} has the fields {', '.join(kind.__struct_fields__)}, but its newest schema "
                    f"{schema.subject}.{schema.version}.avsc has {', '.join(fields)}: add a new version of "
                    "the schema"
                )


def _records(schema: Any) -> Iterator[dict[str, Any]]:
    """The record definitions in a schema, nested ones included."""
    if isinstance(schema, list):
        for item in schema:
            yield from _records(item)
    elif isinstance(schema, dict):
        if schema.get("type") == "record":
            yield schema
        for value in schema.values():
            if isinstance(value, dict | list):
                yield from _records(value)


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(item) for item in schema]
    return schema
