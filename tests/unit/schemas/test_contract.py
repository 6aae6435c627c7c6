"""What other programs rely on: schemas, ids, keys, partitions. Released schemas are never edited."""

import json
from contextlib import suppress
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.keys import BadKey, event_key
from eventstore.partitions import murmur2, partition_of
from eventstore.positions import BadPosition, format_positions, parse_positions
from schemas.codec import CODEC, Undecodable, UnknownSchema, decode, encode
from schemas.events import BookAdded
from schemas.records import EVENTS, parse_title_key
from schemas.row import InventoryRow

ROOT = Path(__file__).parents[3]
AVSC = ROOT / "schemas" / "avsc"
RELEASED = {
    ROOT / room / "avsc": ROOT / "tests" / "unit" / room / "released" for room in ("schemas", "eventstore")
}
"""Where the schemas are, and where a copy of each is kept as it was released."""
COMMITTED_FILES = sorted(path for folder in RELEASED for path in folder.glob("*.avsc"))
RELEASED_FILES = sorted(path for copies in RELEASED.values() for path in copies.glob("*.avsc"))
EVENT = BookAdded("9781593275846", "Elixir in Action", "Sasa Juric", 10, 1_700_000_000_000)


@pytest.mark.parametrize("released", RELEASED_FILES, ids=lambda path: path.stem)
def test_a_released_schema_is_never_edited(released: Path):
    committed = _committed(released)
    assert committed.read_bytes() == released.read_bytes(), (
        f"{committed.name} is released: somebody may have values of it. Restore it, and write a new version "
        "of the schema with an id of its own"
    )


@pytest.mark.parametrize("committed", COMMITTED_FILES, ids=lambda path: path.stem)
def test_every_schema_file_has_a_released_copy(committed: Path):
    copies = RELEASED[committed.parent].relative_to(ROOT)
    assert (ROOT / copies / committed.name).exists(), (
        f"once {committed.name} is final: cp {committed.parent.relative_to(ROOT)}/* {copies}; after that "
        "it is never edited"
    )


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.parent.name)
def test_every_schema_file_has_an_id_that_never_changes(folder: Path):
    ids = json.loads((folder / "ids.json").read_text())
    assert sorted(ids.values()) == sorted(path.name for path in folder.glob("*.avsc"))
    released = json.loads((RELEASED[folder] / "ids.json").read_text())
    assert sorted(released.values()) == sorted(path.name for path in RELEASED[folder].glob("*.avsc"))
    assert ids | released == ids


def test_no_two_rooms_use_the_same_id():
    ids = [number for folder in RELEASED for number in json.loads((folder / "ids.json").read_text())]
    assert len(ids) == len(set(ids))


def _committed(released: Path) -> Path:
    (folder,) = [folder for folder, copies in RELEASED.items() if copies == released.parent]
    return folder / released.name


def test_each_version_of_a_schema_reads_the_one_before_and_is_read_by_it():
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for schema in sorted(CODEC.schemas.values(), key=lambda s: s.version):
        by_subject.setdefault(schema.subject, []).append(json.loads(schema.text))
    for versions in by_subject.values():
        for older, newer in pairwise(versions):
            assert compatible(older, newer)
            assert compatible(newer, older)


def compatible(written: dict[str, Any], read: dict[str, Any]) -> bool:
    """Whether ``read`` resolves what ``written`` writes: same names, and defaults for what is new."""
    fields = {field["name"]: field for field in written["fields"]}
    return all(
        (field["name"] in fields and fields[field["name"]]["type"] == field["type"]) or "default" in field
        for field in read["fields"]
    )


def test_the_compatibility_check_catches_a_new_field_without_a_default():
    old = {"fields": [{"name": "a", "type": "int"}]}
    new = {"fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]}
    assert compatible(new, old)
    assert not compatible(old, new)
    assert not compatible(old, {"fields": [{"name": "a", "type": "string"}]})


def test_anybody_with_the_schema_file_can_read_a_value():
    data = encode(EVENT)
    assert data[:5] == b"\0\0\0\0\x01"
    schema = fastavro.parse_schema(json.loads((AVSC / "BookAdded.1.avsc").read_text()))
    read: Any = fastavro.schemaless_reader(BytesIO(data[5:]), schema, None)
    assert (read["isbn"], read["quantity"]) == ("9781593275846", 10)
    assert read["timestamp"].isoformat() == "2023-11-14T22:13:20+00:00"


@given(st.binary(max_size=80))
def test_damaged_values_are_undecodable_and_nothing_else(data: bytes):
    for damaged in (data, b"\0\0\0\0\x01" + data, b"\0\0\0\0\x64" + data):
        with suppress(Undecodable):
            decode(damaged)


def test_an_unknown_schema_id_says_what_to_do():
    with pytest.raises(UnknownSchema, match="upgrade"):
        decode(b"\0\0\0\xff\xff")


@pytest.mark.parametrize(
    ("data", "java"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitioning_hashes_keys_as_the_java_client_does(data: bytes, java: int):
    """Values of org.apache.kafka.common.utils.UtilsTest."""
    assert murmur2(data) == java & 0xFFFFFFFF


def test_titles_spread_over_partitions_that_never_change():
    assert [partition_of(f"97800000000{i:02d}", 8) for i in range(10)] == PARTITIONS
    assert {partition_of(f"97800000{i:05d}", 8) for i in range(200)} == set(range(8))


PARTITIONS = [5, 0, 1, 0, 0, 2, 3, 2, 2, 4]


@given(st.integers(0, 10**13 - 1), st.integers(1, 10**9))
def test_an_event_key_parses_to_its_isbn_and_version(number: int, version: int):
    isbn = f"{number:013d}"
    assert parse_title_key(event_key(isbn, version)) == (isbn, version)


@pytest.mark.parametrize(
    "key", [None, b"", b"9781593275846", b"9781593275846/", b"9781593275846/0", b"x/1", b"\xff/1"]
)
def test_a_malformed_event_key_is_refused(key: bytes | None):
    with pytest.raises(BadKey):
        parse_title_key(key)


def test_a_row_is_no_event_however_many_events_were_decoded_before():
    row = encode(InventoryRow(EVENT.isbn, EVENT.title, EVENT.author, 1, 1, (), False, 1, 1))
    for _ in range(2):
        assert EVENTS.decode(encode(EVENT)) == EVENT
        with pytest.raises(Undecodable, match="a InventoryRow is no event"):
            EVENTS.decode(row)


def test_a_position_parses_to_itself():
    assert format_positions({3: 40, 0: 12, 5: -1}) == "0:12,3:40"
    assert parse_positions("0:12, 3:40") == {0: 12, 3: 40}


@pytest.mark.parametrize("text", ["", "3", "3:", ":3", "a:1", "1:-2", "1:2,1:3", "1:" + "9" * 40, "1:٣"])
def test_a_malformed_position_is_refused(text: str):
    with pytest.raises(BadPosition):
        parse_positions(text)
