"""A partition's write state in a file: a start then need not read the whole log.

A snapshot is always optional. If it is missing, stale, damaged, another log's, or on a full or read-only
disk, the writer reads more of the log, and nothing else changes. A file belongs to one log for ever and only
advances. An unusable file is never repaired; a file with the next number follows it.
"""

import logging
import sqlite3
import threading
from collections.abc import Collection, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient
from msgspec import MsgspecError

from eventstore.decider import Decider
from eventstore.errors import StateLost
from eventstore.state import snapshot_layout as layout
from eventstore.state.background import BackgroundThrottle
from eventstore.state.checked_map import CheckedMap, Damaged
from eventstore.state.snapshot_files import NumberedFiles
from eventstore.state.write_state import Checkpoint, Overlay, WriteState
from eventstore.topics import cluster_id, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings

FOLDER = "producer"
RETRY_INTERVAL_S = 60.0
"""After a failed save, the next one waits for this long."""

_log = logging.getLogger(__name__)


def binding(settings: Settings, decider: Decider[Any, Any, Any], timeout: float = 5.0) -> str:
    """Names the log and the rules that a snapshot belongs to: cluster id, topic id, rules and layout.

    Raises KafkaException.
    """
    admin, topic = AdminClient(client_config(settings)), events_topic(settings)
    topics = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)
    rules = f"{decider.fingerprint()}.{layout.VERSION}"
    topic_id = topics[topic].result().topic_id
    return f"{cluster_id(admin, topic, timeout)} {topic_id} {rules}"


class Snapshot:
    """The files of one partition under ``settings.data_dir``, a folder that is not created if missing.

    ``bound_to`` is the current ``binding``. As the base of a state it reads single entries on demand.
    """

    def __init__(
        self, settings: Settings, partition: int, decider: Decider[Any, Any, Any], bound_to: str
    ) -> None:
        self._name = f"{settings.name}-{partition}"
        self._files = NumberedFiles(Path(settings.data_dir) / FOLDER, self._name, ".sqlite")
        self._decider = decider
        self._read_stream = layout.StreamReader(type(decider.initial))
        self._binding = f"{bound_to} {partition}"
        self._map: CheckedMap | None = None
        self._seen = b""
        self._loaded = 0
        self._saving: _Saving | None = None
        self._learning: _Learning | None = None
        self._try_again = 0.0

    def load(self) -> WriteState:
        """The state that was saved last, or an empty one."""
        self._release()
        path = self._files.newest()
        if path is None:
            return WriteState(self._decider)
        try:
            self._map = CheckedMap(path, create=False)
            self._map.refresh()
            if not self._map.root:
                raise Damaged("nothing was ever saved in it")
            root = layout.read_root(self._map.root)
        except (sqlite3.Error, Damaged, MsgspecError) as error:
            if _is_busy(error):
                self._release()
            else:
                self._pass_over_damage(error)
            return WriteState(self._decider)
        if root.binding != self._binding:
            self._pass_over(f"it belongs to {root.binding}, not {self._binding}")
            return WriteState(self._decider)
        self._seen, self._loaded = self._map.root, root.next
        return WriteState(self._decider, self, layout.checkpoint_of(root))

    def discard(self) -> None:
        """Use none of the files: the log was replaced."""
        self._pass_over("the log is another one")

    def read(self, streams: Collection[str], command_ids: Collection[str], upto: int) -> Overlay:
        """The saved entries of these streams and command ids.

        Raises StateLost if the file is damaged or has advanced past ``upto``.
        """
        if self._map is None:
            raise StateLost("the snapshot was closed")
        stream_keys = {stream: layout.stream_key(stream) for stream in streams}
        command_keys = {command_id: layout.command_key(command_id) for command_id in command_ids}
        try:
            found = self._map.get_many(chain(stream_keys.values(), command_keys.values()))
            if self._map.root != self._seen:
                if not self._loaded <= layout.read_root(self._map.root).next <= upto:
                    raise StateLost("another process has saved a later snapshot")
                self._seen = self._map.root
            streams_found = {one: found[key] for one, key in stream_keys.items()}
            commands_found = {one: found[key] for one, key in command_keys.items()}
            return Overlay(
                {one: self._read_stream(data) for one, data in streams_found.items() if data is not None},
                {one: layout.read_accepted(data) for one, data in commands_found.items() if data is not None},
            )
        except (sqlite3.Error, Damaged, MsgspecError) as error:
            self._pass_over_damage(error)
            raise StateLost(f"the snapshot can't be read: {error}") from error

    def save(self, state: WriteState) -> None:
        """Save ``state`` and release its memory. If that fails, nothing changes."""
        self.save_in_background(state)
        self.settle(state, wait=True)

    def save_in_background(self, state: WriteState) -> None:
        """Start to save ``state`` as it is now, in a thread. ``settle`` takes the result."""
        rests_on_lost_file = state.base is not None and self._map is None
        if self._saving is not None or rests_on_lost_file or monotonic() < self._try_again:
            return
        self._saving = _Saving(
            self._files, self._binding, self._loaded, state.checkpoint, state.freeze(), state
        )
        self._saving.start()

    def learn_in_background(self) -> None:
        """Start to read, in a thread, what spares most reads of the file. ``settle`` takes the result.

        Without it that is learnt page by page, which makes the first hundred thousand commands slower.
        """
        if self._map is not None and (self._learning is None or self._learning.path != self._map.path):
            self._stop_learning()
            self._learning = _Learning(self._map.path)
            self._learning.start()

    def settle(self, state: WriteState, *, wait: bool = False) -> None:
        """Release the entries that were saved meanwhile, or keep those that could not be."""
        self._take_learnt()
        saving = self._saving
        if saving is None or (saving.is_alive() and not wait):
            return
        saving.finish()
        self._saving = None
        try:
            if saving.saved is not None:
                if self._map is None or self._map.path != saving.saved:
                    # Another process has passed over the file that was loaded
                    self._release()
                    self._map = CheckedMap(saving.saved, create=False)
                self._map.learn(saving.learnt)
                # Before ``state`` releases the entries that the file now has
                self._map.refresh()
        except (sqlite3.Error, Damaged) as error:
            saving.error = error
        if saving.error is not None:
            _log.warning(
                "the snapshot %s could not be saved; starts read more of the log: %s",
                self._name,
                saving.error,
            )
            self._try_again = monotonic() + RETRY_INTERVAL_S
            if isinstance(saving.error, Damaged):
                self._pass_over(str(saving.error))
        if saving.state is not state:
            return
        if saving.saved is not None and saving.error is None:
            self._loaded = saving.checkpoint.next
            state.saved(self)
        else:
            state.thaw()

    def close(self) -> None:
        """Release the file. A save in progress is finished first."""
        if self._saving is not None:
            self._saving.finish()
            self._saving = None
        self._release()

    def _take_learnt(self) -> None:
        learning = self._learning
        if learning is not None and not learning.is_alive():
            if self._map is not None and self._map.path == learning.path:
                self._map.learn(learning.learnt)
            learning.learnt = {}

    def _stop_learning(self) -> None:
        if self._learning is not None:
            self._learning.stopping = True
            self._learning = None

    def _pass_over_damage(self, error: Exception) -> None:
        _log.warning("the snapshot %s can't be read; the log is read instead: %s", self._name, error)
        self._release()
        self._files.pass_over()

    def _pass_over(self, why: str) -> None:
        _log.info("the snapshot %s is not used: %s", self._name, why)
        self._release()
        self._files.pass_over()

    def _release(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None
        self._stop_learning()
        self._loaded, self._seen = 0, b""


class _Saving(threading.Thread):
    """Saves one state, on a connection of its own, as another process would.

    It may be saved over any state between the loaded one and itself, because ``overlay`` has everything that
    is newer than the loaded one. It must not be saved over a later state, which another process saved.
    """

    def __init__(
        self,
        files: NumberedFiles,
        bound_to: str,
        loaded: int,
        checkpoint: Checkpoint,
        overlay: Overlay,
        state: WriteState,
    ) -> None:
        super().__init__(name="snapshot")
        self._files, self._binding, self._loaded = files, bound_to, loaded
        self.checkpoint, self._overlay, self.state = checkpoint, overlay, state
        self.saved: Path | None = None
        self.learnt: Mapping[int, bytes] = {}
        self.error: Exception | None = None
        self._throttle = BackgroundThrottle()

    def finish(self) -> None:
        """Wait until the save has ended, without further rests."""
        self._throttle.hurry = True
        self.join()

    def run(self) -> None:
        """Save the state, or keep the error."""
        try:
            path = self._files.to_write()
            with self._throttle.turn(), closing(CheckedMap(path, create=True)) as file:
                if self._put(file):
                    self.saved, self.learnt = path, file.learnt
                    self._files.remove_older(path)
        except (sqlite3.Error, OSError, Damaged) as error:
            # A concurrent save of another process is not a failure
            if not _is_busy(error):
                self.error = error
        except MsgspecError as error:
            self.error = Damaged(str(error))

    def _put(self, file: CheckedMap) -> bool:
        file.begin()
        try:
            if file.root:
                root = layout.read_root(file.root)
                if root.binding != self._binding or not self._loaded <= root.next <= self.checkpoint.next:
                    return False
            elif self._loaded:
                # A new file: ``overlay`` alone is not the whole state
                return False
            entries = layout.entries(self._overlay, self._throttle)
            file.put(entries, layout.write_root(self._binding, self.checkpoint), self._throttle)
            file.commit()
        finally:
            file.rollback()
        return True


class _Learning(threading.Thread):
    """Reads the fingerprints of a file's pages, on a connection of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="snapshot-learning", daemon=True)
        self.path = path
        self.learnt: Mapping[int, bytes] = {}
        self.stopping = False
        self._throttle = BackgroundThrottle()

    def run(self) -> None:
        """Read until the end, or until ``stopping``."""
        try:
            with self._throttle.turn(), closing(CheckedMap(self.path, create=False)) as file:
                file.refresh()
                for _ in file.remember_all():
                    if self.stopping:
                        return
                    self._throttle()
                self.learnt = file.learnt
        except (sqlite3.Error, Damaged) as error:
            # Usually a save has absorbed a layer meanwhile. Real damage is found by the command that meets it
            _log.debug("the fingerprints of %s were not read: %s", self.path, error)


def _is_busy(error: Exception) -> bool:
    """Whether another process held the file for longer than SQLite waits."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
