"""A snapshot's file that is spoilt in any way: passed over with one warning, or read exactly as written."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from eventstore.errors import StateLost
from eventstore.state.outcomes import Appended
from eventstore.state.write_state import AcceptedCommand, Checkpoint, LastEvent, StreamState, WriteState
from foundation.settings import Settings
from inventory.domain import library
from producer.writers import snapshot_of
from tests.support.privileges import without_privileges

LIBRARY = library(21, "UTC")
BOUND = "cluster topic rules"
FILE = "producer/library-0-1.sqlite"
ENTRIES = 200
CHECKPOINT = Checkpoint(ENTRIES, LastEvent(ENTRIES - 1, b"key", "id", 5), 5)


def stream(number: int) -> StreamState:
    return StreamState(LIBRARY.initial, number + 1)


def commands(number: int) -> tuple[AcceptedCommand, ...]:
    return (AcceptedCommand(str(number), f"digest {number}", (Appended("Added", 1),), number, "ann"),)


def in_folder(folder: Path) -> Settings:
    return Settings(data_dir=str(folder))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a snapshot of ENTRIES streams and commands."""
    folder = tmp_path_factory.mktemp("written")
    save(folder)
    return folder


def save(folder: Path) -> None:
    snapshot = snapshot_of(in_folder(folder), 0, BOUND)
    state = WriteState(LIBRARY, checkpoint=CHECKPOINT)
    state.streams = {str(number): stream(number) for number in range(ENTRIES)}
    state.added = {f"command {number}": commands(number) for number in range(ENTRIES)}
    snapshot.save(state)
    snapshot.close()


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def is_used(folder: Path) -> bool:
    """Whether a start uses the file. All of it is as written then, and what was not written is unknown."""
    snapshot = snapshot_of(in_folder(folder), 0, BOUND)
    try:
        state = snapshot.load()
        if state.checkpoint == Checkpoint():
            return False
        assert state.checkpoint == CHECKPOINT
        for number in range(ENTRIES):
            assert state.stream(str(number)) == stream(number)
            assert state.accepted(f"command {number}") == commands(number)
        assert state.stream("another") == StreamState(LIBRARY.initial)
        assert state.accepted("another") == ()
    except StateLost:
        assert snapshot.load().checkpoint == Checkpoint(), "a damaged file is not used again"
        return False
    finally:
        snapshot.close()
    return True


def spoilt(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """The file cut off, and with one flipped bit, at many places."""
    for at in range(0, len(whole), 181):
        yield f"flipped at {at}", whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
    for at in range(0, len(whole), 997):
        yield f"cut at {at}", whole[:at]


def test_a_file_that_is_cut_or_flipped_anywhere_is_used_as_written_or_not_at_all(
    folder: Path, caplog: pytest.LogCaptureFixture
):
    assert is_used(folder)
    whole, passed_over = (folder / FILE).read_bytes(), 0
    for what, content in spoilt(whole):
        shutil.rmtree(folder)
        (folder / FILE).parent.mkdir(parents=True)
        (folder / FILE).write_bytes(content)
        caplog.clear()
        used = is_used(folder)
        assert len(caplog.records) == (not used), f"{what}: {caplog.text}"
        passed_over += not used
    assert passed_over > 50


def replaced(path: Path, old: bytes, new: bytes) -> None:
    whole = path.read_bytes()
    assert whole.count(old) == 1
    path.write_bytes(whole.replace(old, new))


def made_a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    (path / "something").mkdir(parents=True)


def made_a_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


SPOILERS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("a note\n" * 2000),
    "a folder": made_a_folder,
    "a folder in place of the write-ahead log": lambda path: made_a_folder(Path(f"{path}-wal")),
    "a link to nothing": lambda path: made_a_link(path, "nothing"),
    "a link to itself": lambda path: made_a_link(path, path.name),
    "names that are not UTF-8": lambda path: replaced(
        path, b"CREATE TABLE pages (number", b"CREATE TABLE pages \xe5number"
    ),
    "another table": lambda path: replaced(path, b"TABLE pages (number", b"TABLE pagez (number"),
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS.keys())
def test_a_spoilt_file_is_passed_over_with_one_warning_and_the_next_save_works(
    folder: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
):
    spoil(folder / FILE)
    snapshot = snapshot_of(in_folder(folder), 0, BOUND)
    state = snapshot.load()
    assert state.checkpoint == Checkpoint()
    assert len(caplog.records) == 1, caplog.text
    state.streams["0"] = stream(0)
    state.next = 1
    snapshot.save(state)
    snapshot.close()
    again = snapshot_of(in_folder(folder), 0, BOUND)
    assert again.load().stream("0") == stream(0)
    again.close()
    assert len(caplog.records) == 1, caplog.text


@pytest.mark.parametrize("closed", [FILE, "producer", "."])
def test_a_file_that_may_not_be_read_costs_only_time(written: Path, closed: str):
    with TemporaryDirectory(dir="/tmp") as place:
        folder = Path(shutil.copytree(written, Path(place) / "data"))
        for path in (Path(place), folder, folder / "producer"):
            path.chmod(0o777)
        (folder / closed).chmod(0)
        with without_privileges():
            assert not is_used(folder)
            save(folder)
        folder.chmod(0o777)
        (folder / "producer").chmod(0o777)
