"""The decoder of flat records gives what fastavro gives, or nothing."""

from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from eventstore.flat_record import BODY, flat_decoder
from inventory.domain import GOLDEN
from schemas.codec import encode, newest
from schemas.events import TYPES, BookAdded, BookRemoved
from schemas.row import InventoryRow


class Flat(Struct, frozen=True):
    name: str
    count: int
    note: str | None
    open: bool


SCHEMA: Any = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Flat",
        "fields": [
            {"name": "count", "type": "long"},
            {"name": "open", "type": "boolean"},
            {"name": "note", "type": ["null", "string"]},
            {"name": "name", "type": "string"},
        ],
    }
)
decode: Any = flat_decoder(SCHEMA, Flat)


def by_fastavro(data: bytes, schema: Any = SCHEMA, kind: type[Struct] = Flat) -> Struct | None:
    """The value, or None if fastavro refuses it or bytes follow."""
    body = BytesIO(data[BODY:])
    try:
        fields = fastavro.schemaless_reader(body, schema, None)
    except (EOFError, ValueError, LookupError, OverflowError, MemoryError):
        return None
    return None if body.read(1) else msgspec.convert(fields, kind)


def framed(value: Struct, schema: Any = SCHEMA) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, msgspec.to_builtins(value))
    return bytes(BODY) + body.getvalue()


FLAT = st.builds(
    Flat,
    st.text(max_size=200),
    st.integers(-(2**63), 2**63 - 1) | st.integers(1_000_000_000_000, 2_000_000_000_000),
    st.none() | st.text(max_size=70),
    st.booleans(),
)


@given(FLAT)
def test_a_value_is_decoded_as_fastavro_decodes_it(value: Flat) -> None:
    assert by_fastavro(framed(value)) == value
    assert decode(framed(value)) in (value, None)
    if abs(value.count) < 2**55:
        assert decode(framed(value)) == value


@given(FLAT, st.data())
def test_damaged_bytes_are_never_decoded_to_another_value_than_fastavro_gives(
    value: Flat, data: st.DataObject
) -> None:
    whole = framed(value)
    at = data.draw(st.integers(BODY, len(whole)))
    damaged = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 2)) :]
    assert decode(damaged) in (by_fastavro(damaged), None)


EXAMPLES = [
    *((event, newest(type(event).__name__).parsed, encode(event)) for event in GOLDEN),
    *((value, SCHEMA, framed(value)) for value in (Flat("a", 2**40, "b", True), Flat("a", 1, None, False))),
]


@pytest.mark.parametrize(("value", "schema", "whole"), EXAMPLES)
def test_every_changed_byte_is_noticed(value: Struct, schema: Any, whole: bytes) -> None:
    fast: Any = flat_decoder(schema, type(value))
    for at in range(BODY, len(whole)):
        for byte in range(256):
            changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
            assert fast(changed) in (by_fastavro(changed, schema, type(value)), None)


class Two(Struct, frozen=True):
    first: str
    second: str


TWO: Any = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Two",
        "fields": [{"name": "first", "type": "string"}, {"name": "second", "type": "string"}],
    }
)


def test_texts_of_any_length_are_decoded() -> None:
    fast: Any = flat_decoder(TWO, Two)
    for total in (128, 8_200):
        for length in (0, 1, 62, 63, 64, 65, 100, 127, 128, total):
            value = Two("é" * (length // 2) + "x" * (length % 2), "y" * (total - length))
            assert fast(framed(value, TWO)) == value


@pytest.mark.parametrize("kind", TYPES)
def test_every_event_is_flat(kind: type[Struct]) -> None:
    fast = flat_decoder(newest(kind.__name__).parsed, kind)
    assert fast is not None
    events = [event for event in GOLDEN if type(event) is kind]
    assert events
    assert [fast(encode(event)) for event in events] == events


@pytest.mark.parametrize(
    ("subject", "kind"),
    [("InventoryRow", InventoryRow), ("BookAdded", BookRemoved), ("BookRemoved", BookAdded)],
)
def test_another_schema_or_struct_is_left_to_fastavro(subject: str, kind: type[Struct]) -> None:
    assert flat_decoder(newest(subject).parsed, kind) is None


class Named(Struct, frozen=True, kw_only=True):
    name: str
    count: int
    note: str | None
    open: bool


def test_a_struct_without_positional_fields_is_left_to_fastavro() -> None:
    assert flat_decoder(SCHEMA, Named) is None


def test_times_at_the_ends_of_six_bytes_are_decoded() -> None:
    for count in (2**34, 2**41 - 1, 2**34 - 1, 2**41, -(2**34) - 1, -(2**41), 0, 1):
        value = Flat("a name that is long enough", count, None, True)
        assert decode(framed(value)) == value


class One(Struct, frozen=True):
    count: int


def test_a_record_of_one_field_is_decoded() -> None:
    schema: Any = fastavro.parse_schema(
        {"type": "record", "name": "One", "fields": [{"name": "count", "type": "long"}]}
    )
    fast = flat_decoder(schema, One)
    assert fast is not None
    assert fast(bytes(BODY) + b"\x02") == One(1)
    assert fast(bytes(BODY)) is None
