import struct
from hashlib import sha256
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.leaf import BadLeaf, leaf_data, leaf_hash, parse_leaf, record_hash

PART = st.none() | st.binary(max_size=4)
RECORD = st.tuples(
    st.integers(-(2**63), 2**63 - 1), PART, PART, st.lists(st.tuples(st.text(max_size=2), PART), max_size=3)
)


def test_a_leaf_is_the_time_then_all_lengths_then_all_parts() -> None:
    data = leaf_data(258, b"k", b"", [("h", b"ab"), ("n", None)])
    lengths = ("00000001", "00000000", "00000001", "00000002", "00000001", "ffffffff")
    assert data.hex() == "0000000000000102" + "".join(lengths) + b"khabn".hex()


@pytest.mark.parametrize("count", [0, 1, 2, 8, 30, 31, 300])
def test_records_with_as_many_headers_of_any_names_have_their_own_leaves(count: int) -> None:
    for names in ("a", "longer", "a", "\u00e4"):
        headers = [(f"{names}{number}", b"value") for number in range(count)]
        lengths = [1, 5, *(length for name, _ in headers for length in (len(name.encode()), 5))]
        parts = b"kvalue" + b"".join(name.encode() + b"value" for name, _ in headers)
        expected = struct.pack(f">q{len(lengths)}i", 7, *lengths) + parts
        assert leaf_data(7, b"k", b"value", headers) == expected
        assert record_hash(7, b"k", b"value", headers) == leaf_hash(expected)


def test_the_hash_of_a_leaf_begins_with_a_zero_byte() -> None:
    assert leaf_hash(b"data") == sha256(b"\0data").digest()


@given(RECORD)
def test_the_hash_of_a_record_is_that_of_its_leaf(record) -> None:
    assert record_hash(*record) == leaf_hash(leaf_data(*record))


@given(RECORD, RECORD)
def test_different_records_have_different_leaves(one, other) -> None:
    assert (leaf_data(*one) == leaf_data(*other)) == (one == other)


def test_bytes_that_move_from_one_part_to_another_change_the_leaf() -> None:
    # All records of few bytes, with every number of headers that they can have
    parts = (None, b"", b"\0", b"\0\0\0\0", b"\xff\xff\xff\xff")
    headers: list[list[tuple[str, bytes | None]]] = [[], *([("", part)] for part in parts)]
    records = [(0, key, value, last) for key, value, last in product(parts, parts, headers)]
    assert len({leaf_data(*record) for record in records}) == len(records)


@given(RECORD)
def test_a_leaf_has_the_whole_record(record) -> None:
    timestamp, key, value, headers = record
    assert parse_leaf(leaf_data(*record)) == (timestamp, key, value, list(headers))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        bytes(8),
        leaf_data(1, b"key", b"value", [("name", b"")])[:-1],
        leaf_data(1, b"key", b"value", [("name", b"")]) + b"x",
        bytes(8) + b"\xff\xff\xff\xfe" * 2,
        leaf_data(1, b"key", b"value", [("name", b"")]).replace(b"name", b"n\xffme"),
    ],
)
def test_bytes_of_no_record_are_refused(data) -> None:
    with pytest.raises(BadLeaf):
        parse_leaf(data)
