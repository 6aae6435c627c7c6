"""A sorted map that notices damage."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.sealed import ROOT, Damaged, SealedMap

entries = st.dictionaries(st.binary(max_size=6), st.binary(max_size=40), max_size=12)


@contextmanager
def opened(path: Path) -> Iterator[SealedMap]:
    file = SealedMap(path, create=True)
    try:
        yield file
    finally:
        file.close()


def put(file: SealedMap, what: dict[bytes, bytes]) -> None:
    file.begin()
    file.put(what)
    file.commit()


@settings(max_examples=60, deadline=None)
@given(st.lists(entries, max_size=5), st.lists(st.binary(max_size=6), max_size=10))
def test_it_holds_what_was_put_and_nothing_else(puts: list[dict[bytes, bytes]], asked: list[bytes]):
    with TemporaryDirectory() as folder, opened(Path(folder) / "map") as file:
        held = {ROOT: b"root"}
        put(file, held)
        for more in puts:
            held |= more
            put(file, more)
        for key in [*held, *asked]:
            assert file.get(key) == held.get(key)


def test_what_is_rolled_back_was_never_there(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {ROOT: b""})
        file.begin()
        file.put({b"a": b"1"})
        file.rollback()
        assert file.get(b"a") is None


def test_a_map_without_its_root_is_damaged(tmp_path: Path):
    with opened(tmp_path / "map") as file, pytest.raises(Damaged):
        file.get(b"a")


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_noticed_or_does_no_harm(tmp_path: Path, seed: int):
    """Wherever random bytes fall, no key that was put is called absent, and no value is another one."""
    held = {ROOT: b"root"} | {b"k%04d" % n: b"value %d" % n for n in range(0, 3000, 2)}
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


def test_a_key_that_sqlite_loses_is_noticed(tmp_path: Path):
    with opened(tmp_path / "map") as file:
        put(file, {ROOT: b"", b"a": b"1", b"b": b"2", b"c": b"3"})
        file._db.execute("DELETE FROM entries WHERE key = ?", (b"b",))
        assert file.get(b"c") == b"3"
        with pytest.raises(Damaged):
            file.get(b"b")
