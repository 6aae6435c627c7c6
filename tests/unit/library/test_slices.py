"""Records that were put aside come back by slices of the titles, in their order."""

from collections import defaultdict
from tempfile import TemporaryFile

import pytest
from msgspec.msgpack import Decoder

from inventory.isbn import in_house
from library.checks.slices import CHUNK_RECORDS, EVENTS, Slices, slices_for


@pytest.mark.parametrize(
    ("events", "slices"), [(0, 1), (1, 1), (EVENTS, 1), (EVENTS + 1, 2), (10 * EVENTS, 10)]
)
def test_a_slice_has_about_as_many_events_whatever_the_partition_has(events, slices):
    assert slices_for(events) == slices


@pytest.mark.parametrize("records", [CHUNK_RECORDS - 1, 10 * CHUNK_RECORDS])
def test_all_records_of_a_title_are_in_one_slice_in_their_order(records):
    isbns, count = [in_house(number) for number in range(7)], 3
    with TemporaryFile() as file:
        # Two kinds share the file
        events, rows = (Slices(file, count, Decoder(list[tuple[str, int]])) for _ in range(2))
        for number in range(records):
            events.add(isbns[number % 7], (isbns[number % 7], number))
            rows.add(isbns[-number % 7], (isbns[-number % 7], -number))
        slice_of = defaultdict[str, set[int]](set)
        found = list[int]()
        for kind, sign in ((events, 1), (rows, -1)):
            for number in range(count):
                kept = list(kind.of(number))
                assert [record for _, record in kept] == sorted((r for _, r in kept), key=abs)
                for isbn, record in kept:
                    slice_of[isbn].add(number)
                    assert isbn == isbns[record % 7]
                    found.append(record)
            assert sorted(found, key=abs) == [sign * number for number in range(records)]
            found.clear()
    assert {len(numbers) for numbers in slice_of.values()} == {1}
    assert len(set.union(*slice_of.values())) > 1


def test_what_is_added_after_reading_overwrites_nothing():
    with TemporaryFile() as file:
        slices = Slices(file, 1, Decoder(list[int]))
        for number in range(3 * CHUNK_RECORDS + 1):
            # The file's position is then behind the first chunk
            if number >= 2 * CHUNK_RECORDS:
                assert next(slices.of(0)) == 0
            slices.add("1", number)
        assert list(slices.of(0)) == list(slices.of(0)) == list(range(3 * CHUNK_RECORDS + 1))


def test_what_waits_is_written_once():
    with TemporaryFile() as file:
        slices = Slices(file, 2, Decoder(list[int]))
        for number in range(3):
            slices.add("1", number)
        slices.write()
        slices.write()
        file.seek(0)
        assert file.read() == b"\x93\x00\x01\x02"
        assert [*slices.of(0), *slices.of(1)] == [0, 1, 2]
