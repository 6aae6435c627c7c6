"""A sorted map that notices damage."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.state.checked_map import CheckedMap, Damaged

entries = st.dictionaries(st.binary(max_size=6), st.binary(max_size=40), max_size=12)


@contextmanager
def opened(path: Path) -> Iterator[CheckedMap]:
    file = CheckedMap(path, create=True)
    try:
        yield file
    finally:
        file.close()


def put(file: CheckedMap, what: dict[bytes, bytes], root: bytes = b"root") -> None:
    file.begin()
    file.put(what, root)
    file.commit()


@settings(max_examples=60, deadline=None)
@given(st.lists(entries, max_size=5), st.lists(st.binary(max_size=6), max_size=10))
def test_a_map_holds_exactly_the_keys_that_were_put(puts: list[dict[bytes, bytes]], asked: list[bytes]):
    with TemporaryDirectory() as folder, opened(Path(folder) / "map") as file:
        held: dict[bytes, bytes] = {}
        for number, more in enumerate(puts):
            held |= more
            put(file, more, b"root %d" % number)
        if puts:
            for key in [*held, *asked]:
                assert file.get(key) == held.get(key)
            assert file.root == b"root %d" % (len(puts) - 1)


def test_readers_find_every_key_while_a_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eventstore.state.checked_map.ENTRIES_PER_PAGE", 2)
    with opened(tmp_path / "map") as file, opened(tmp_path / "map") as reader:
        for first in range(0, 6000, 500):
            assert reader.root == b"" or reader.get(b"%d" % first) is None
            put(file, {b"%d" % n: b"value %d" % n for n in range(first, first + 500)}, b"%d" % first)
            reader.refresh()
            assert reader.get(b"%d" % first) == b"value %d" % first
            assert reader.root == b"%d" % first
        assert 1 < len(file._layers) < 6
        assert sum(1 << layer.bits for layer in file._layers) >= 6000 / 2
        assert all(reader.get(b"%d" % n) == b"value %d" % n for n in range(6000))
        (pages,) = file._db.execute("SELECT count(*) FROM pages WHERE number > 0").fetchone()
        assert pages == sum(1 << layer.bits for layer in file._layers)


def test_the_newest_value_of_a_key_wins_across_layers(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"old" for n in range(1000)})
        put(file, {b"1": b"newer", b"2": b"newer"})
        put(file, {b"1": b"newest"})
        assert len(file._layers) > 1
        assert [file.get(b"%d" % n) for n in range(4)] == [b"old", b"newest", b"newer", b"old"]
        put(file, {b"x%d" % n: b"" for n in range(2000)})
        assert len(file._layers) == 1
        assert file._layers[0].entries == 3000
        assert [file.get(b"%d" % n) for n in range(4)] == [b"old", b"newest", b"newer", b"old"]


@pytest.mark.parametrize("small", [0, 3, 20])
def test_layers_of_all_sizes_are_merged_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int):
    monkeypatch.setattr("eventstore.state.checked_map.ENTRIES_PER_PAGE", 2)
    monkeypatch.setattr("eventstore.state.checked_map.PARTED_LAYER_BITS", small)
    chance, held = Random(small), dict[bytes, bytes]()
    with opened(tmp_path / "map") as file:
        for number, count in enumerate((400, 100, 20, 3, 1, 1, 50, 900)):
            more = {b"%d" % chance.randrange(1200): b"value %d" % number for _ in range(count)}
            held |= more
            put(file, more)
            assert {key: file.get(key) for key in held} == held
        assert len(file._layers) == 1


def test_a_layer_merged_by_another_process_is_not_damage(tmp_path: Path):
    with opened(tmp_path / "map") as file, opened(tmp_path / "map") as reader:
        put(file, {b"%d" % n: b"old" for n in range(1000)})
        assert reader.get(b"1") == b"old"
        put(file, {b"%d" % n: b"new" for n in range(2000)})
        assert len(file._layers) == 1
        assert [reader.get(b"%d" % n) for n in (1, 999, 1999)] == [b"new"] * 3


def test_the_page_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eventstore.state.checked_map.MAX_REMEMBERED_PAGES", 10)
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"" for n in range(3000)})
        assert all(file.get(b"absent %d" % n) is None for n in range(1000))
        assert len(file._prints) <= 10


def test_a_map_in_an_older_format_counts_as_damaged(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        file.begin()
        file._write([(0, msgspec.msgpack.encode((256, 1000, b"root")))])
        file.commit()
    with opened(tmp_path / "map") as file, pytest.raises(Damaged):
        file.get(b"a")


def test_a_rolled_back_change_leaves_no_trace(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {b"a": b"1"})
        file.begin()
        file.put({b"a": b"2", b"b": b"3"}, b"other")
        file.rollback()
        assert (file.get(b"a"), file.get(b"b"), file.root) == (b"1", None, b"root")
        put(file, {b"c": b"4"})
        assert [file.get(key) for key in (b"a", b"b", b"c")] == [b"1", None, b"4"]


def test_absent_keys_are_answered_without_reading_the_file(tmp_path: Path):
    with opened(tmp_path / "map") as file, opened(tmp_path / "map") as other:
        put(file, {b"%d" % n: b"value" for n in range(1000)})
        assert other.get(b"0") == b"value"
        other.learn(file.learnt)
        file._db.execute("DELETE FROM pages WHERE number > 0")
        answers = [_answer(other, b"absent %d" % n) for n in range(200)]
        assert answers.count("None") > 190
        assert "Damaged" in [_answer(other, b"%d" % n) for n in range(1000)]
        assert "b'value'" not in [_answer(other, b"%d" % n) for n in range(1000)]
        assert "None" not in [_answer(other, b"%d" % n) for n in range(1000)]


def _answer(file: CheckedMap, key: bytes) -> str:
    try:
        return repr(file.get(key))
    except Damaged:
        return "Damaged"


def test_a_map_without_a_layer_counts_as_damaged(tmp_path: Path):
    with opened(tmp_path / "map") as file, pytest.raises(Damaged):
        file.get(b"a")


@pytest.mark.parametrize("seed", range(4))
def test_any_damaged_byte_is_detected_or_harmless(tmp_path: Path, seed: int):
    """Wherever random bytes fall, no key that was put is called absent, and no value is another one."""
    held = {b"k%04d" % n: b"value %d" % n for n in range(0, 3000, 2)}
    path = tmp_path / "map"
    with opened(path) as file:
        put(file, held)
    whole, random, noticed = path.read_bytes(), Random(seed), 0
    for _ in range(60):
        damaged, at = bytearray(whole), random.randrange(len(whole))
        damaged[at : at + 16] = random.randbytes(min(16, len(whole) - at))
        path.write_bytes(damaged)
        with suppress(sqlite3.Error), opened(path) as file:
            for n in range(0, 3000, 7):
                key = b"k%04d" % n
                try:
                    assert file.get(key) == held.get(key)
                except (Damaged, sqlite3.Error):
                    noticed += 1
    assert noticed


def test_swapped_pages_are_detected(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"" for n in range(600)})
        (first,) = file._db.execute("SELECT min(number) FROM pages WHERE number > 0").fetchone()
        places = {"one": first, "two": first + 1}
        file._db.execute("UPDATE pages SET number = -number WHERE number IN (:one, :two)", places)
        file._db.execute("UPDATE pages SET number = :one + :two + number WHERE number < 0", places)
        noticed = 0
        for n in range(600):
            try:
                assert file.get(b"%d" % n) == b""
            except Damaged:
                noticed += 1
        assert noticed


def statements_of(file: CheckedMap) -> list[str]:
    """All statements that the map executes from now on."""
    statements: list[str] = []
    file._db.set_trace_callback(statements.append)
    return statements


def test_many_keys_are_read_together(tmp_path: Path):
    held = {b"%d" % n: b"value %d" % n for n in range(2000)}
    with opened(tmp_path / "map") as file:
        put(file, held)
        put(file, {b"1": b"newer"})
    with opened(tmp_path / "map") as file:
        file.refresh()
        statements = statements_of(file)
        asked = [b"%d" % n for n in range(0, 3000, 2)] + [b"1"]
        assert file.get_many(asked) == {key: held.get(key) for key in asked} | {b"1": b"newer"}
        assert len([one for one in statements if one.startswith("SELECT")]) <= 4


def test_keys_that_are_known_to_be_absent_cost_no_read(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"" for n in range(1000)})
        file.get(b"0")
        absent = [b"absent %d" % n for n in range(50)]
        file.get_many(absent)
        statements = statements_of(file)
        assert file.get_many(absent) == dict.fromkeys(absent)
        assert statements == []


def test_a_full_page_cache_forgets_one_page_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eventstore.state.checked_map.MAX_REMEMBERED_PAGES", 10)
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"" for n in range(3000)})
        for number in range(100):
            file.get(b"absent %d" % number)
            assert len(file._prints) == 10


def test_all_fingerprints_can_be_learnt_before_they_are_needed(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"" for n in range(4000)})
        put(file, {b"%d" % n: b"" for n in range(1000)})
    with opened(tmp_path / "map") as learning, opened(tmp_path / "map") as file:
        learning.refresh()
        assert len(list(learning.remember_all())) > 1
        file.refresh()
        file.learn(learning.learnt)
        statements = statements_of(file)
        absent = [b"absent %d" % n for n in range(20)]
        assert file.get_many(absent) == dict.fromkeys(absent)
        assert len(statements) <= 2, "a fingerprint may match by chance"
        assert file.get(b"3999") == b""


def test_learning_ends_when_the_cache_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(tmp_path / "map") as file:
        put(file, {b"%d" % n: b"" for n in range(9000)})
    monkeypatch.setattr("eventstore.state.checked_map.MAX_REMEMBERED_PAGES", 100)
    with opened(tmp_path / "map") as file:
        file.refresh()
        list(file.remember_all())
        assert 0 < len(file._prints) <= 100
