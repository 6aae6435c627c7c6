"""The codec compares structs with their committed schemas, and reads no byte before it is used."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from eventstore import avro
from eventstore.avro import Codec, Registry, SchemaMismatch


class Moved(Struct, frozen=True):
    item: str
    to: "Place"


class Place(Struct, frozen=True):
    shelf: str
    row: int


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Codec]:
    """Commits one schema of Moved, with the given fields of the nested Place, and makes its codec."""
    monkeypatch.setattr(avro, "files", lambda package: tmp_path)
    (tmp_path / "avsc").mkdir()
    (tmp_path / "avsc" / "ids.json").write_text('{"1": "Moved.1.avsc"}')

    def commit(*place: str, types: tuple[type[Struct], ...] = (Moved, Place)) -> Codec:
        nested = {"type": "record", "name": "Place", "fields": [_field(name) for name in place]}
        fields = [_field("item"), {"name": "to", "type": nested}]
        text = json.dumps({"type": "record", "name": "Moved", "fields": fields})
        (tmp_path / "avsc" / "Moved.1.avsc").write_text(text)
        return Codec(Registry("any", types))

    return commit


def _field(name: str) -> dict[str, str]:
    return {"name": name, "type": "long" if name == "row" else "string"}


def test_a_struct_with_nested_structs_survives(committed):
    moved = Moved("pen", Place("A", 3))
    codec = committed("shelf", "row")
    assert codec.decode(codec.encode(moved)) == moved


def test_a_field_that_the_schema_lacks_is_an_error_and_is_not_dropped(committed):
    with pytest.raises(SchemaMismatch, match=r"Place has the fields shelf, row, but .* has shelf"):
        committed("shelf").encode(Moved("pen", Place("A", 3)))


def test_a_field_that_the_struct_lacks_is_an_error(committed):
    with pytest.raises(SchemaMismatch, match="has shelf, row, door"):
        committed("shelf", "row", "door").decode(b"\0\0\0\0\x01...")


def test_a_record_without_a_struct_is_an_error(committed):
    with pytest.raises(SchemaMismatch, match=r"Place of Moved.1.avsc has no struct"):
        committed("shelf", "row", types=(Moved,)).newest("Moved")


def test_a_codec_reads_nothing_before_its_first_use(tmp_path):
    assert Codec(Registry("there.is.no.such.package", ()))
