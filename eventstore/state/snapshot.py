"""A partition's write state in a file, so that a start need not read the whole log.

It is always optional. Missing, stale, another log's, damaged, on a full or read-only disk: then more is
read, and nothing else changes. A file belongs to one log for ever and only goes forward; one that can't be
used is never repaired but followed by a file with the next number.
"""

import logging
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from eventstore.errors import StateLost
from eventstore.state import snapshot_layout as layout
from eventstore.state.background import BackgroundThrottle
from eventstore.state.checked_map import Damaged, SealedMap
from eventstore.state.snapshot_files import NumberedFiles
from eventstore.state.write_state import AcceptedCommand, Known, Overlay, Place, WriteState
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.rules import RULES_VERSION

FOLDER = "producer"
PAUSE_AFTER_FAILURE = 60.0
"""Seconds."""

_log = logging.getLogger(__name__)


def binding(settings: Settings, timeout: float = 5.0) -> str:
    """What a snapshot is bound to besides its partition: cluster id, topic id, and the rules' version.

    Raises KafkaException.
    """
    admin, topic = AdminClient(client_config(settings)), events_topic(settings)
    cluster = admin.describe_cluster(request_timeout=timeout)
    topics = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)
    return f"{cluster.result().cluster_id} {topics[topic].result().topic_id} {RULES_VERSION}.{layout.VERSION}"


class Snapshot:
    """The files of one partition below ``settings.data_dir``, which is not made where it is missing.

    ``bound_to`` is what ``binding`` says now. As a state's base it reads what is asked for, no more.
    """

    def __init__(self, settings: Settings, partition: int, bound_to: str) -> None:
        self._name = f"{settings.name}-{partition}"
        self._files = NumberedFiles(Path(settings.data_dir) / FOLDER, self._name, ".sqlite")
        self._binding = f"{bound_to} {partition}"
        self._map: SealedMap | None = None
        self._seen = b""
        self._loaded = 0
        self._saving: _Saving | None = None
        self._try_again = 0.0

    def load(self) -> WriteState:
        """The state as it was saved last, or an empty one."""
        self._let_go()
        path = self._files.newest()
        if path is None:
            return WriteState()
        try:
            self._map = SealedMap(path, create=False)
            self._map.get(b"")
            if not self._map.root:
                raise Damaged("nothing was ever saved in it")
            root = layout.read_root(self._map.root)
        except (sqlite3.Error, Damaged) as error:
            if _is_busy(error):
                self._let_go()
            else:
                self._pass_over(str(error))
            return WriteState()
        if root.binding != self._binding:
            self._pass_over(f"it belongs to {root.binding}, not {self._binding}")
            return WriteState()
        self._seen, self._loaded = self._map.root, root.next
        return WriteState(self, layout.place_of(root))

    def discard(self) -> None:
        """Don't use what is there: the log is another one."""
        self._pass_over("the log is another one")

    def known(self, isbn: str, upto: int) -> Known | None:
        """A title as saved. Raises StateLost when the file is damaged or has gone beyond ``upto``."""
        data = self._get(layout.title_key(isbn), upto)
        return None if data is None else layout.read_known(data)

    def answers(self, command_id: str, upto: int) -> tuple[AcceptedCommand, ...]:
        """Accepted commands with this id, as saved. Raises as ``known``."""
        data = self._get(layout.command_key(command_id), upto)
        return () if data is None else layout.read_answers(data)

    def save(self, state: WriteState) -> None:
        """Save ``state``, and let go of what it held in memory; where that can't be done, nothing changes."""
        self.save_behind(state)
        self.settle(state, wait=True)

    def save_behind(self, state: WriteState) -> None:
        """Begin to save ``state`` as it is now, in a thread; ``settle`` tells it how that ended."""
        rests_on_lost_file = state.base is not None and self._map is None
        if self._saving is not None or rests_on_lost_file or monotonic() < self._try_again:
            return
        self._saving = _Saving(self._files, self._binding, self._loaded, state.place, state.freeze(), state)
        self._saving.start()

    def settle(self, state: WriteState, *, wait: bool = False) -> None:
        """Let go of what was saved meanwhile, or take back what could not be."""
        saving = self._saving
        if saving is None or (saving.is_alive() and not wait):
            return
        saving.finish()
        self._saving = None
        try:
            if saving.saved is not None:
                if self._map is None or self._map.path != saving.saved:
                    # Another process has passed over the file that was loaded
                    self._let_go()
                    self._map = SealedMap(saving.saved, create=False)
                self._map.learn(saving.learnt)
                # Before ``state`` lets go of what the file has now
                self._map.refresh()
        except (sqlite3.Error, Damaged) as error:
            saving.error = error
        if saving.error is not None:
            _log.warning(
                "the snapshot %s could not be saved, so starts read more: %s", self._name, saving.error
            )
            self._try_again = monotonic() + PAUSE_AFTER_FAILURE
            if isinstance(saving.error, Damaged):
                self._pass_over(str(saving.error))
        if saving.state is not state:
            return
        if saving.saved is not None and saving.error is None:
            self._loaded = saving.place.next
            state.saved(self)
        else:
            state.thaw()

    def close(self) -> None:
        """Let go of the file; what is being saved is saved first."""
        if self._saving is not None:
            self._saving.finish()
            self._saving = None
        self._let_go()

    def _get(self, key: bytes, upto: int) -> bytes | None:
        if self._map is None:
            raise StateLost("the snapshot was closed")
        try:
            value = self._map.get(key)
        except (sqlite3.Error, Damaged) as error:
            self._pass_over(str(error))
            raise StateLost(f"the snapshot can't be read: {error}") from error
        if self._map.root != self._seen:
            if not self._loaded <= layout.read_root(self._map.root).next <= upto:
                raise StateLost("another process has saved a later snapshot")
            self._seen = self._map.root
        return value

    def _pass_over(self, why: str) -> None:
        _log.info("the snapshot %s is not used: %s", self._name, why)
        self._let_go()
        self._files.pass_over()

    def _let_go(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None
        self._loaded, self._seen = 0, b""


class _Saving(threading.Thread):
    """Saves one state, on a connection of its own, as another process would.

    It may be saved over any state between the one that was loaded and itself, for ``overlay`` holds whatever
    is newer than the loaded one. Over a later one, which another process saved, it must not be.
    """

    def __init__(
        self,
        files: NumberedFiles,
        bound_to: str,
        loaded: int,
        place: Place,
        overlay: Overlay,
        state: WriteState,
    ) -> None:
        super().__init__(name="snapshot")
        self._files, self._binding, self._loaded = files, bound_to, loaded
        self.place, self._overlay, self.state = place, overlay, state
        self.saved: Path | None = None
        self.learnt: Mapping[int, bytes] = {}
        self.error: Exception | None = None
        self._pause = BackgroundThrottle()

    def finish(self) -> None:
        """Wait for its end, which then comes soon."""
        self._pause.hurry = True
        self.join()

    def run(self) -> None:
        """Save it, or note why that can't be done."""
        try:
            path = self._files.to_write()
            with self._pause.turn(), closing(SealedMap(path, create=True)) as file:
                if self._put(file):
                    self.saved, self.learnt = path, file.learnt
                    self._files.remove_older(path)
        except (sqlite3.Error, OSError, Damaged) as error:
            # Another process that saves at the moment is no failure
            if not _is_busy(error):
                self.error = error

    def _put(self, file: SealedMap) -> bool:
        file.begin()
        try:
            if file.root:
                root = layout.read_root(file.root)
                if root.binding != self._binding or not self._loaded <= root.next <= self.place.next:
                    return False
            elif self._loaded:
                # A new file: ``overlay`` alone is not the whole state
                return False
            entries = layout.entries(self._overlay, self._pause)
            file.put(entries, layout.write_root(self._binding, self.place), self._pause)
            file.commit()
        finally:
            file.rollback()
        return True


def _is_busy(error: Exception) -> bool:
    """Whether another process has kept the file to itself for longer than is waited for."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
