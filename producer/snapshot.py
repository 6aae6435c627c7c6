"""A partition's write state in a file, so that a start need not read the whole log.

It is always optional. Missing, stale, another log's, damaged, on a full or read-only disk: then more is
read, and nothing else changes. A file belongs to one log for ever and only goes forward; one that can't be
used is never repaired but followed by a file with the next number.
"""

import logging
import re
import sqlite3
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient
from msgspec import Struct
from msgspec.structs import astuple

from inventory.rules import RULES_VERSION, Title
from producer.lost import StateLost
from producer.outcomes import Appended
from producer.sealed import ROOT, Damaged, SealedMap
from producer.state import Answer, Known, LastEvent, Place, WriteState
from schemas.kafka import client_config
from schemas.settings import Settings
from schemas.topics import events_topic

FOLDER = "producer"
FORMAT = 1
"""Raised when a file's layout changes; what Title holds is RULES_VERSION's."""
PAUSE_AFTER_FAILURE = 60.0
"""Seconds."""

_log = logging.getLogger(__name__)


class _Root(Struct, frozen=True, array_like=True):
    """The first entry: whose state it is, and how far it has come."""

    binding: str
    next: int
    time: int
    trouble: str
    last: tuple[int, bytes, str, int] | None

    def place(self) -> Place:
        return Place(self.next, LastEvent(*self.last) if self.last else None, self.time, self.trouble)


_ROOT = msgspec.msgpack.Decoder(_Root)
_KNOWN = msgspec.msgpack.Decoder(tuple[tuple[int, bool, str, str, int, dict[str, int]], str])
_ANSWERS = msgspec.msgpack.Decoder(tuple[tuple[str, str, tuple[tuple[str, int], ...], int], ...])
_ENCODE = msgspec.msgpack.Encoder().encode


def binding(settings: Settings, timeout: float = 5.0) -> str:
    """What a snapshot is bound to besides its partition: cluster id, topic id, and the rules' version.

    Raises KafkaException.
    """
    admin, topic = AdminClient(client_config(settings)), events_topic(settings)
    cluster = admin.describe_cluster(request_timeout=timeout)
    topics = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)
    return f"{cluster.result().cluster_id} {topics[topic].result().topic_id} {RULES_VERSION}.{FORMAT}"


class Snapshot:
    """The files of one partition below ``settings.data_dir``, which is not made where it is missing.

    ``bound_to`` is what ``binding`` says now.
    """

    def __init__(self, settings: Settings, partition: int, bound_to: str) -> None:
        self._folder = Path(settings.data_dir) / FOLDER
        self._stem = f"{settings.name}-{partition}"
        self._binding = f"{bound_to} {partition}"
        self._map: SealedMap | None = None
        self._passed_over = 0
        self._loaded = 0
        self._version = 0
        self._try_again = 0.0

    def load(self) -> WriteState:
        """The state as it was saved last, or an empty one."""
        self.close()
        number = self._newest()
        if number <= self._passed_over:
            return WriteState()
        try:
            self._map = SealedMap(self._path(number), create=False)
            self._version = self._map.changed_elsewhere()
            root = self._root(self._map)
        except (sqlite3.Error, Damaged) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                self.close()
            else:
                self._pass_over(str(error))
            return WriteState()
        if root.binding != self._binding:
            self._pass_over(f"it belongs to {root.binding}, not {self._binding}")
            return WriteState()
        self._loaded = root.next
        return WriteState(self, root.place())

    def discard(self) -> None:
        """Don't use what is there: the log is another one."""
        self._pass_over("the log is another one")

    def known(self, isbn: str, upto: int) -> Known | None:
        """A title as saved. Raises StateLost when the file is damaged or has gone beyond ``upto``."""
        data = self._get(b"t" + isbn.encode(), upto)
        if data is None:
            return None
        title, trouble = _KNOWN.decode(data)
        return Known(Title(*title), trouble)

    def answers(self, command_id: str, upto: int) -> tuple[Answer, ...]:
        """Accepted commands with this id, as saved. Raises as ``known``."""
        data = self._get(b"c" + command_id.encode(), upto)
        if data is None:
            return ()
        return tuple(
            Answer(isbn, digest, tuple(Appended(*event) for event in events), offset)
            for isbn, digest, events, offset in _ANSWERS.decode(data)
        )

    def save(self, state: WriteState) -> None:
        """Save ``state`` and let go of what it held in memory; where that can't be done, nothing changes."""
        rests_on_lost_file = state.base is not None and self._map is None
        if rests_on_lost_file or monotonic() < self._try_again:
            return
        try:
            if self._map is None:
                self._map = self._created()
            saved = self._put(self._map, state)
        except Damaged as error:
            self._pass_over(str(error))
        except (sqlite3.Error, OSError) as error:
            _log.warning("the snapshot %s could not be saved, starts will read more: %s", self._stem, error)
            self._try_again = monotonic() + PAUSE_AFTER_FAILURE
        else:
            if saved:
                self._loaded, state.base = state.next, self
                state.titles.clear()
                state.added.clear()

    def close(self) -> None:
        """Let go of the file."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _put(self, file: SealedMap, state: WriteState) -> bool:
        """Whether ``state`` was saved.

        It may be saved over any state between the one that was loaded and itself, for it holds whatever is
        newer than the loaded one. Over a later one, which another process saved, it must not be.
        """
        file.begin()
        try:
            self._version = file.changed_elsewhere()
            if not file.empty():
                root = self._root(file)
                if root.binding != self._binding or not self._loaded <= root.next <= state.next:
                    return False
            file.put(self._entries(state))
            file.commit()
        finally:
            file.rollback()
        return True

    def _entries(self, state: WriteState) -> dict[bytes, bytes]:
        last = astuple(state.last) if state.last else None
        root = _Root(self._binding, state.next, state.time, state.trouble, last)
        entries = {ROOT: _ENCODE(root)}
        for isbn, (title, trouble) in state.titles.items():
            entries[b"t" + isbn.encode()] = _ENCODE((astuple(title), trouble))
        for command_id, answers in state.added.items():
            entries[b"c" + command_id.encode()] = _ENCODE(
                [
                    (answer.isbn, answer.digest, [astuple(event) for event in answer.events], answer.offset)
                    for answer in answers
                ]
            )
        return entries

    def _get(self, key: bytes, upto: int) -> bytes | None:
        if self._map is None:
            raise StateLost("the snapshot was closed")
        try:
            value = self._map.get(key)
            # Asked after the value: so what was read is not from a later change
            version = self._map.changed_elsewhere()
            if version != self._version:
                root = self._root(self._map)
                if not self._loaded <= root.next <= upto:
                    raise StateLost("another process has saved a later snapshot")
                self._version = version
        except (sqlite3.Error, Damaged) as error:
            self._pass_over(str(error))
            raise StateLost(f"the snapshot can't be read: {error}") from error
        return value

    def _root(self, file: SealedMap) -> _Root:
        data = file.get(ROOT)
        if data is None:
            raise Damaged("the first entry is missing")
        return _ROOT.decode(data)

    def _pass_over(self, why: str) -> None:
        _log.info("the snapshot %s is not used: %s", self._stem, why)
        self.close()
        self._passed_over, self._loaded = self._newest(), 0

    def _created(self) -> SealedMap:
        """A file to save to: with the next number, if there is none that can be used."""
        self._folder.mkdir(exist_ok=True)
        number = max(self._newest(), self._passed_over + 1)
        file = SealedMap(self._path(number), create=True)
        for older in self._numbers():
            if older < number:
                for ending in ("", "-wal", "-shm"):
                    # Another process may have been quicker, or have it open on a system that minds
                    with suppress(OSError):
                        Path(f"{self._path(older)}{ending}").unlink()
        return file

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._stem}-{number}.sqlite"

    def _newest(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        pattern = re.compile(rf"{re.escape(self._stem)}-(\d+)\.sqlite")
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        return [int(found[1]) for name in names if (found := pattern.fullmatch(name))]
