"""The notary's folder: the store that it belongs to, the leaves, and the file of checkpoints."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from evidence.checkpoint import BadCheckpoint, Checkpoint, filed, notes_of, open_checkpoint, parse_checkpoint
from evidence.note import BadNote, BadSignature, Unsigned, Verifier
from notary.refusal import Reason, Refused

CHECKPOINTS = "checkpoints"
STORE = "store.json"
_LOCK = "lock"


class InUse(Exception):
    """Another notary uses the folder."""


class Store(Struct, frozen=True):
    """The cluster and the topic that the folder belongs to, by their ids."""

    cluster: str
    topic: str


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other notaries out of it. Raises InUse and OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"another notary uses {folder}") from error
        yield


def bind(folder: Path, store: Store) -> None:
    """Note the store that a new folder belongs to. Raises OSError, and Refused for another store's folder."""
    file = folder / STORE
    try:
        known = msgspec.json.decode(file.read_bytes(), type=Store)
    except FileNotFoundError:
        file.write_bytes(msgspec.json.encode(store) + b"\n")
        return
    except msgspec.DecodeError as error:
        raise Refused(Reason.OTHER_STORE, f"{file} can't be read: {error}") from error
    if known != store:
        raise Refused(
            Reason.OTHER_STORE,
            f"{folder} belongs to topic {known.topic} of cluster {known.cluster}, but the event store is "
            f"topic {store.topic} of cluster {store.cluster}: it was made anew, or restored",
        )


class CheckpointFile:
    """The signed checkpoints, each with an empty line below it. Notes are appended, and never changed.

    Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CHECKPOINTS
        self._file = self._path.open("a+b")
        text = self._path.read_bytes().decode(errors="replace")
        self._notes, rest = notes_of(text)
        if rest:
            # The process was killed while it wrote: nobody got that note
            self._file.truncate(len(text.encode()) - len(rest.encode()))

    def newest(self, verifiers: Sequence[Verifier]) -> dict[str, tuple[Checkpoint, str]]:
        """The last checkpoint of each origin, with its note.

        A note that only earlier keys have signed counts, too. Raises Refused for a note that was changed.
        """
        found: dict[str, tuple[Checkpoint, str]] = {}
        for note in self._notes:
            try:
                try:
                    checkpoint = open_checkpoint(note, verifiers)
                except Unsigned:
                    checkpoint = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
            except (BadSignature, BadNote, BadCheckpoint) as error:
                raise Refused(
                    Reason.OTHER_ROOT, f"a checkpoint in {self._path} was changed: {error}"
                ) from error
            found[checkpoint.origin] = (checkpoint, note)
        return found

    def append(self, note: str) -> None:
        """Append a note, and flush it to the disk."""
        self._file.write(filed(note).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
