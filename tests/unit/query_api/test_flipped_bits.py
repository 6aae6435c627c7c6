"""A replica that was cut off, or in which a bit flipped, is rebuilt or answers as before: it never errs."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from inventory.isbn import in_house
from query_api.replica.damage import is_damage
from query_api.replica.replica import FILE, Unusable, open_replica
from schemas.events import BookAdded, BookRemoved
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.event_strategies import START
from tests.unit.query_api.test_damage import A, execute, read_everything, sound

__all__ = ["sound"]
PLACES = 150
"""Bits that are flipped, spread over the file; the sizes to which it is cut are a fifth of them."""


def answers(folder: Path) -> list[object] | None:
    """All answers of the replica; None if its damage was noticed before any answer."""
    try:
        replica = open_replica(folder)
    except Unusable:
        return None
    assert replica is not None
    try:
        damage = replica.find_damage(lambda: False)
        return list(read_everything(replica.connect())) if damage is None else None
    except sqlite3.Error as error:
        if is_damage(error):
            return None
        raise
    finally:
        replica.close()


def spoilt(whole: bytes, start: int) -> list[tuple[str, bytes]]:
    step = len(whole) // PLACES
    flips = [
        (f"bit {at % 8} of byte {at}", whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        for at in range(start, len(whole), step)
    ]
    return flips + [(f"cut at {at}", whole[:at]) for at in range(start, len(whole), 5 * step)]


@pytest.mark.parametrize("start", [0, 331])
def test_damage_anywhere_is_noticed_before_any_answer_or_changes_none(
    sound: Path, tmp_path: Path, start: int
):
    shutil.copy(sound / FILE, tmp_path / FILE)
    expected = answers(tmp_path)
    assert expected
    noticed = 0
    for what, content in spoilt((sound / FILE).read_bytes(), start):
        folder = tmp_path / "spoilt"
        folder.mkdir()
        (folder / FILE).write_bytes(content)
        found = answers(folder)
        noticed += found is None
        assert found in (None, expected), what
        shutil.rmtree(folder)
    assert noticed > PLACES // 5


VALUES = {
    "an author": f"UPDATE titles SET body = CAST(replace(body, 'Author', 'Actor') AS BLOB) WHERE isbn = {A}",
    "the time of an event": "UPDATE events SET at = at + 1 WHERE version = 2",
    "the type of an event": "UPDATE events SET type = 'BookRemoved' WHERE version = 2",
    "a command id": "UPDATE events SET command_id = 'c' WHERE version = 2",
    "an actor": "UPDATE events SET actor = 'eve' WHERE version = 2",
    "the end of a loan": "UPDATE loans SET due_at = due_at + 1",
    "when a title was added": "UPDATE known SET first_at = first_at + 1",
    "an entry of the full-text index": "INSERT INTO search (rowid, title, author) VALUES (1, 'title', '')",
}


@pytest.mark.parametrize("statement", VALUES.values(), ids=VALUES.keys())
def test_another_value_of_the_right_type_is_damage(sound: Path, tmp_path: Path, statement: str):
    shutil.copy(sound / FILE, tmp_path / FILE)
    execute(statement)(tmp_path / FILE)
    assert answers(tmp_path) is None


@pytest.mark.parametrize("column", ["rows", "history", '"table"'])
def test_another_progress_is_noticed_on_opening(sound: Path, tmp_path: Path, column: str):
    """Records after a progress that is too high would be skipped before any check has ended."""
    shutil.copy(sound / FILE, tmp_path / FILE)
    execute(f"UPDATE progress SET {column} = {column} + 1 WHERE partition = 1")(tmp_path / FILE)
    with pytest.raises(Unusable, match="checksum"):
        open_replica(tmp_path)


def test_the_words_of_any_script_are_no_damage(tmp_path: Path):
    """The check counts words as the full-text index does, else a sound file would be rebuilt for ever."""
    letters = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x12000), *range(0x1F000, 0x20100)]))
    texts = [letters[at : at + 120] for at in range(0, len(letters), 120)]
    stock = ApiWithoutKafka(
        tmp_path,
        [BookAdded(in_house(n), text, f"{text[60:]} {text[:9]}", 1, START) for n, text in enumerate(texts)],
    )
    stock.put(BookRemoved(in_house(0), START), BookRemoved(in_house(700), START))
    assert stock.replica.find_damage(lambda: False) is None


def test_damaged_names_that_are_not_utf_8_are_damage(sound: Path, tmp_path: Path):
    """SQLite quotes them in its message, which Python then can't decode."""
    whole = (sound / FILE).read_bytes()
    statement = b"CREATE TABLE known (isbn"
    assert whole.count(statement) == 1
    (tmp_path / FILE).write_bytes(whole.replace(statement, b"CREATE TABLE known \xe5isbn"))
    with pytest.raises(Unusable, match="damaged"):
        open_replica(tmp_path)
