"""Which schema reads the values of which: the rules of Avro's specification, compared with fastavro."""

import json
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_one

from schemas.codec import CODEC
from schemas.resolution import NotASchema, ParsedSchema, mismatch


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


LIST = record(field("next", ["null", "R"]), field("n", "int"))
READ = [
    ("int", "int"),
    ("long", "int"),
    ("double", "int"),
    ("double", "float"),
    ("float", "long"),
    ("bytes", "string"),
    ({"type": "string", "doc": "x"}, "string"),
    (["null", "long"], "int"),
    (["null", "int"], ["int", "null"]),
    ("long", ["int", "long"]),
    ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
    ({"type": "map", "values": ["null", "int"]}, {"type": "map", "values": "int"}),
    (record(field("a", "int")), record(field("b", "string"), field("a", "int"))),
    (record(field("a", "int"), field("b", "int", default=7)), record(field("a", "int"))),
    (record(field("a", "int", aliases=["old"])), record(field("old", "int"))),
    (record(field("a", "int"), aliases=["Old"]), record(field("a", "int"), name="Old")),
    (enum("A", "B"), enum("A")),
    (enum("A", default="A"), enum("B")),
    (fixed(4), fixed(4)),
    (record(field("n", "long"), field("next", ["null", "R"])), LIST),
    (record(field("a", fixed(2)), field("b", "F")), record(field("a", fixed(2)), field("b", "F"))),
]
NOT_READ = [
    ("int", "long"),
    ("float", "double"),
    ("int", "string"),
    ("null", "int"),
    ("string", "boolean"),
    ("int", ["int", "null"]),
    (["null", "string"], "int"),
    ({"type": "array", "items": "int"}, {"type": "array", "items": "string"}),
    ({"type": "map", "values": "int"}, {"type": "array", "items": "int"}),
    (record(field("a", "int"), field("b", "int")), record(field("a", "int"))),
    (record(field("a", "int")), record(field("a", "string"))),
    (record(field("a", "int")), record(field("a", "int"), name="Other")),
    (enum("A"), enum("B")),
    (fixed(4), fixed(8)),
    (fixed(4), fixed(4, name="G")),
    (record(field("n", "int"), field("next", ["null", "R"]), field("more", "int")), LIST),
]


def fastavro_reads(reader: Any, writer: Any) -> bool:
    """Whether fastavro reads values of every branch of ``writer``."""
    parsed, expected = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    for branch in writer if isinstance(writer, list) else [writer]:
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed, generate_one(fastavro.parse_schema(branch)))
        out.seek(0)
        try:
            fastavro.schemaless_reader(out, parsed, expected)
        except (fastavro.read.SchemaResolutionError, TypeError):
            return False
    return True


@pytest.mark.parametrize(("reader", "writer"), READ)
def test_a_reader_with_all_that_it_needs_reads(reader: Any, writer: Any):
    assert mismatch(ParsedSchema(reader), ParsedSchema(writer)) == ""
    assert fastavro_reads(reader, writer)


@pytest.mark.parametrize(("reader", "writer"), NOT_READ)
def test_a_reader_that_lacks_something_says_what(reader: Any, writer: Any):
    assert mismatch(ParsedSchema(reader), ParsedSchema(writer))
    assert not fastavro_reads(reader, writer)


def test_bytes_may_be_read_as_text():
    """By the types. fastavro reads those that are UTF-8."""
    assert mismatch(ParsedSchema("string"), ParsedSchema("bytes")) == ""


def test_a_reason_has_the_place_and_both_types():
    reader, writer = (
        ParsedSchema(record(field("loans", {"type": "array", "items": record(field("due", kind), name="L")})))
        for kind in ("int", "long")
    )
    assert mismatch(reader, writer) == "/loans/items/due: int does not read long"
    assert mismatch(writer, reader) == ""


@pytest.mark.parametrize("schema", [schema.text for schema in CODEC.schemas.values()])
def test_each_schema_of_ours_reads_itself(schema: str):
    parsed = ParsedSchema(json.loads(schema))
    assert mismatch(parsed, parsed) == ""


@pytest.mark.parametrize(
    "schema",
    [
        [{"__fastavro_parsed": True}], [[{"__fastavro_parsed": True}]], None, 1,
        "integer", {}, {"type": "nothing"}, {"type": ["a"]}, {"type": {}}, {"type": "array"}, [[[]], 3],
        {"type": "record"}, record({"type": "int"}), record(field("a", "int", default="x")), record(3),
        {"type": "record", "name": "R", "fields": 3}, {"type": "enum", "name": "E", "symbols": 3},
        {"__fastavro_parsed": True}, {"__fastavro_parsed": True, "type": "record"},
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused(schema: Any):
    with pytest.raises(NotASchema):
        ParsedSchema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        record({"name": [], "type": "int"}), record(field("a", "int", aliases=[[]])), record(aliases=3),
        {"type": "enum", "name": "R", "symbols": ["A"], "default": []},
    ],
)  # fmt: skip
def test_what_fastavro_does_not_check_is_refused_or_does_not_match(schema: Any):
    ours = ParsedSchema(record(field("b", "int"), name="Other"))
    for reader, writer in ((schema, ours), (ours, schema)):
        try:
            pair = [one if isinstance(one, ParsedSchema) else ParsedSchema(one) for one in (reader, writer)]
            assert mismatch(*pair)
        except NotASchema:
            pass
