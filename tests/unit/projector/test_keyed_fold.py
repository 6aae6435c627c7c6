"""A keyed fold gives the same rows however often its events come again, and starts rows anew in a replay."""

import sys
from random import Random
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from eventstore.decider import Events
from eventstore.keys import event_key
from eventstore.topics import Table
from projector.fold.keyed_fold import KeyedTable, Row
from projector.projection import NoProjection, load_projection


class Noted(Struct, frozen=True):
    stream: str
    about: str | None
    text: str


class Notes(Row, frozen=True, kw_only=True):
    texts: tuple[str, ...]


class JsonCodec:
    """Stands for Avro: what a fold needs of a codec."""

    def encode(self, value: Struct) -> bytes:
        return msgspec.json.encode(value)

    def decode(self, data: bytes | None) -> Notes:
        return msgspec.json.decode(data or b"", type=Notes)


def _decode(value: bytes | None) -> Noted:
    return msgspec.json.decode(value or b"", type=Noted)


def _fold(row: Notes | None, event: Noted) -> Notes:
    if event.text == "refused":
        raise ValueError("refused")
    return Notes(texts=(*(row.texts if row else ()), event.text))


EVENTS: Events[Noted] = Events("notes", JsonCodec().encode, _decode, lambda event: event.stream, str.isalpha)
TABLE: KeyedTable[Noted, Notes] = KeyedTable(
    Table("notes", "notes"), EVENTS, lambda event: event.about, _fold, JsonCodec()
)
Record: TypeAlias = tuple[int, bytes, bytes]
NAMES = st.sampled_from(["ann", "bob", None])


def records(abouts: list[str | None]) -> list[Record]:
    """Events about these names, at every second offset."""
    found = enumerate(abouts)
    return [(2 * n, event_key("s", n + 1), EVENTS.encode(Noted("s", about, str(n)))) for n, about in found]


def folded(stored: dict[bytes, bytes], batch: list[Record]) -> dict[bytes, bytes]:
    """The rows after a batch that a new worker folds."""
    fold = TABLE.projection().fold(stored.get)
    assert fold.add(batch) is None
    return {**stored, **dict(fold.take())}


@given(st.lists(NAMES, max_size=12), st.integers(0, 2**32))
def test_repeats_from_any_earlier_offset_change_nothing(abouts, seed):
    log, chance = records(abouts), Random(seed)
    once = folded({}, log)
    stored: dict[bytes, bytes] = {}
    done = 0
    while done < len(log):
        start, end = chance.randint(0, done), chance.randint(done, len(log))
        stored = folded(stored, log[start:end])
        done = max(done, end)
    assert stored == once
    assert folded(stored, log) == once


def test_a_replay_from_the_beginning_computes_rows_with_the_new_fold():
    log = records(["ann", "ann", "bob"])
    old = {key: value.replace(b'"0"', b'"wrong"') for key, value in folded({}, log).items()}
    assert folded(old, log) == folded({}, log)


def test_a_row_carries_the_offsets_of_its_first_and_last_event():
    (row,) = folded({}, records(["ann", None, "ann"])).values()
    assert JsonCodec().decode(row) == Notes(texts=("0", "2"), first_offset=0, last_offset=4)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"no-version", b"{}"),
        (b"5/1", EVENTS.encode(Noted("5", "ann", "x"))),
        (b"s/2", EVENTS.encode(Noted("other", "ann", "x"))),
        (b"s/2", EVENTS.encode(Noted("s", "ann", "refused"))),
    ],
    ids=["a key without a version", "a foreign stream", "another stream's event", "a refused event"],
)
def test_a_record_that_cannot_be_applied_ends_the_batch_before_it(key, value):
    first, last = records(["ann", "ann"])
    fold = TABLE.projection().fold(lambda key: None)
    bad = fold.add([first, (1, key, value), last])
    assert bad is not None
    assert bad.offset == 1
    assert dict(fold.take()) == folded({}, [first])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "is not MODULE:NAME"),
        ("no.such.module:X", "can't be loaded"),
        ("projector.fold.batch_fold:NOTHING", "can't be loaded"),
        ("projector.fold.batch_fold:ROW_BYTES", "is a int, not a Projection"),
    ],
)
def test_a_wrong_name_of_a_projection_is_explained(name, says):
    with pytest.raises(NoProjection, match=says):
        load_projection(name)


def test_a_projection_is_found_by_module_and_name():
    from projector.fold.batch_fold import INVENTORY_PROJECTION

    assert load_projection("projector.fold.batch_fold:INVENTORY_PROJECTION") is INVENTORY_PROJECTION


def test_a_projection_in_a_module_of_the_current_folder_is_found(tmp_path, monkeypatch):
    module = "from projector.fold.batch_fold import INVENTORY_PROJECTION as PROJECTION\n"
    (tmp_path / "projection_in_this_folder.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    # As in an installed program
    monkeypatch.setattr("sys.path", [folder for folder in sys.path if folder])
    assert load_projection("projection_in_this_folder:PROJECTION").table.name == "inventory"
