"""The projector's RocksDB: whatever happened to its files, it has the rows as written, or none."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from rocksdict import Options, Rdict

from projector.batched_faust.errors import Damaged
from projector.batched_faust.store import IDENTITY_KEY, MEMORY, Store
from tests.support.privileges import without_privileges
from tests.support.waiting import eventually

CHANGELOG = "some-changelog"
IDENTITY = b"cluster/events/changelog"
END = 1000
ROWS = {b"%013d" % number: b"row %d " % number * 20 for number in range(40)}
Damage = Callable[[Path], Any]


def store_in(folder: Path) -> Store:
    """A store as a worker has it after its claim."""
    app: Any = SimpleNamespace(conf=SimpleNamespace(table_key_index_size=10, tabledir=folder))
    table: Any = SimpleNamespace(name="inventory", changelog_topic_name=CHANGELOG)
    store = Store("rocksdb+batch://", app, table, options={"driver": "rocksdict", **MEMORY})
    store.expect(IDENTITY, {TP(CHANGELOG, 0): END})
    return store


def close(store: Store) -> None:
    for db in store._dbs.values():
        db.close()


def known(store: Store) -> tuple[int, dict[bytes, bytes]]:
    """The changelog offset and the rows."""
    rows = {key: store.read(0, key) for key in ROWS}
    return store.offset(0), {key: row for key, row in rows.items() if row is not None}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder with a partition of which one half of the rows is in a table file, the other in the log."""
    folder = tmp_path_factory.mktemp("store")
    for half in (slice(0, 20), slice(20, 40)):
        store = store_in(folder / "open")
        for offset, (key, row) in list(enumerate(ROWS.items()))[half]:
            store.write(0, [(key, row)], offset)
        if half.start:
            # As a killed worker leaves it
            shutil.copytree(folder / "open", folder / "killed")
        close(store)
    return folder / "killed"


@pytest.fixture
def folder(written, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "tables"))


def partition(folder: Path) -> Path:
    """The RocksDB of partition 0."""
    return folder / "inventory-0.db"


def file(folder: Path, name: str) -> Path:
    """The only file of the partition with this pattern."""
    (found,) = partition(folder).glob(name)
    return found


def set_value(folder: Path, key: bytes, value: bytes) -> None:
    db = Rdict(str(partition(folder)), Options(raw_mode=True))
    db[key] = value
    db.close()


def replace_by(path: Path, content: bytes | None) -> None:
    """Put a file, or for None a folder, in the place of the file or folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)


def become_link(path: Path) -> None:
    """Put a link that leads nowhere in the place of the folder."""
    shutil.rmtree(path)
    path.symlink_to("nowhere/at/all")


DAMAGES: dict[str, Damage] = {
    "an empty folder": lambda folder: replace_by(partition(folder), None),
    "a file instead of the folder": lambda folder: replace_by(partition(folder), b"not a database"),
    "CURRENT is gone": lambda folder: file(folder, "CURRENT").unlink(),
    "CURRENT is empty": lambda folder: replace_by(file(folder, "CURRENT"), b""),
    "CURRENT is garbage": lambda folder: replace_by(file(folder, "CURRENT"), b"\xff\0\n"),
    "CURRENT names another file": lambda folder: replace_by(file(folder, "CURRENT"), b"MANIFEST-000099\n"),
    "CURRENT is a folder": lambda folder: replace_by(file(folder, "CURRENT"), None),
    "MANIFEST is gone": lambda folder: file(folder, "MANIFEST-*").unlink(),
    "MANIFEST is garbage": lambda folder: replace_by(file(folder, "MANIFEST-*"), os.urandom(300)),
    "a table file is gone": lambda folder: file(folder, "*.sst").unlink(),
    "a table file is empty": lambda folder: replace_by(file(folder, "*.sst"), b""),
    "a table file is a folder": lambda folder: replace_by(file(folder, "*.sst"), None),
    "a foreign log": lambda folder: (partition(folder) / "9.log").write_bytes(b"foreign"),
    "LOCK is a folder": lambda folder: replace_by(file(folder, "LOCK"), None),
    "the binding's own file is a folder": lambda folder: replace_by(
        file(folder, "rocksdict-config.json"), None
    ),
    "a dangling link instead of the folder": lambda folder: become_link(partition(folder)),
    "no identity": lambda folder: set_value(folder, IDENTITY_KEY, b""),
    "another identity": lambda folder: set_value(folder, IDENTITY_KEY, b"another"),
    "an offset that is no number": lambda folder: set_value(folder, Store.offset_key, b"many"),
    "an offset beyond the changelog": lambda folder: set_value(folder, Store.offset_key, b"%d" % END),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_store_is_named_once_and_recovered_from_nothing(folder, caplog, kind):
    DAMAGES[kind](folder)
    with caplog.at_level(logging.WARNING):
        store = store_in(folder)
        assert known(store) == (-1, {})
        store.write(0, [(b"key", b"row")], 7)
        close(store)
        again = store_in(folder)
        assert (again.read(0, b"key"), again.offset(0)) == (b"row", 7)
        close(again)
    assert len(caplog.records) == 1, caplog.text
    assert "read from the changelog again" in caplog.text


@pytest.mark.parametrize(
    "name", ["note.txt", "999999.sst", "MANIFEST-999999", "OPTIONS-999999", "999999.log"]
)
def test_a_foreign_file_changes_nothing(folder, name):
    (partition(folder) / name).write_bytes(b"\0foreign\n" * 100)
    store = store_in(folder)
    assert known(store) == (39, ROWS)
    close(store)


def spoilt(path: Path) -> Iterator[tuple[str, bytes]]:
    """The file cut off, and with one flipped bit, at several places."""
    whole = path.read_bytes()
    step = max(1, len(whole) // 4)
    for at in range(0, len(whole), step):
        yield f"{path.name} cut at {at}", whole[:at]
        yield f"{path.name} flipped at {at}", whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]


def test_a_file_cut_or_flipped_anywhere_gives_rows_as_written_or_none(written, tmp_path):
    """Rows that were lost at the end come back from the changelog, because the offset is lost with them."""
    tried = 0
    for path in sorted(partition(written).iterdir()):
        # The others are not read, and LOCK is empty
        needed = path.name == "CURRENT" or path.name.startswith("MANIFEST") or path.suffix in {".sst", ".log"}
        for what, content in spoilt(path) if needed else ():
            folder = Path(shutil.copytree(written, tmp_path / str(tried)))
            (partition(folder) / path.name).write_bytes(content)
            store, tried = store_in(folder), tried + 1
            try:
                offset, rows = known(store)
            except Damaged:
                assert not partition(folder).exists(), what
                offset, rows = known(store_in(folder))
                assert (offset, rows) == (-1, {}), what
            assert rows == dict(list(ROWS.items())[: offset + 1]), what
            close(store)
            shutil.rmtree(folder)
    assert tried > 30


def test_of_a_large_write_little_stays_in_memory(tmp_path):
    store = store_in(tmp_path)
    rows = {b"%013d" % number: os.urandom(100) for number in range(100_000)}
    size = sum(len(key) + len(row) for key, row in rows.items())
    assert size < store.write(0, rows.items(), 7) < 2 * size

    def in_files() -> int:
        return int(store._dbs[0].property_value("rocksdb.total-sst-files-size"))

    # Also the last of them, which no other write may follow
    eventually(lambda: in_files() > size)
    assert store.offset(0) == 7
    assert dict(store.rows(0)) == rows
    close(store)


def test_a_large_write_that_ends_early_leaves_the_offset_before(tmp_path):
    store = store_in(tmp_path)
    store.write(0, ROWS.items(), 3)

    def cut() -> Iterator[tuple[bytes, bytes]]:
        yield from ((key, b"newer" * 100_000) for key in ROWS)
        raise RuntimeError("the process is killed here")

    with pytest.raises(RuntimeError):
        store.write(0, cut(), 50)
    close(store)
    store = store_in(tmp_path)
    offset, rows = known(store)
    assert (offset, len(rows)) == (3, len(ROWS))
    assert rows != ROWS, "some are newer than the offset"
    # As the changelog has them behind it
    store.write(0, ((key, b"newest") for key in ROWS), 50)
    assert known(store) == (50, dict.fromkeys(ROWS, b"newest"))
    close(store)


def test_a_store_that_another_worker_has_locked_is_kept(folder):
    store = store_in(folder)
    assert known(store) == (39, ROWS)
    with pytest.raises(Exception, match="No locks available"):
        store_in(folder).read(0, b"key")
    assert known(store) == (39, ROWS)
    close(store)


@pytest.mark.parametrize(("mode", "works"), [(0o777, True), (0o555, False)])
def test_a_store_that_may_not_be_read_is_moved_aside_if_its_folder_allows_it(written, mode, works):
    with TemporaryDirectory(dir="/tmp") as place:
        folder = Path(shutil.copytree(written, Path(place) / "tables"))
        (folder / "inventory-backups").mkdir(exist_ok=True)
        Path(place).chmod(0o755)
        partition(folder).chmod(0)
        folder.chmod(mode)
        with without_privileges():
            store = store_in(folder)
            if works:
                assert known(store) == (-1, {})
                assert len(list(folder.glob("inventory-0.db.damaged-*"))) == 1
            else:
                with pytest.raises(PermissionError):
                    known(store)
            close(store)
        folder.chmod(0o755)
