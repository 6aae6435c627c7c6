"""The follower's replica: opened, checked, created, and replaced when it can't be continued."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from eventstore.topics import Identity
from query_api.replica.damage import is_damage
from query_api.replica.replica import Replica, create_replica, delete_replica, open_replica

log = logging.getLogger(__name__)


class RebuildNeeded(Exception):
    """The replica can't be continued; the message says why."""


class ReplicaFile:
    """The replica in ``folder``. One thread opens, creates and discards it; any may request a rebuild.

    ``stopped`` ends a check.
    """

    def __init__(self, folder: Path, stopped: Callable[[], bool]) -> None:
        self._folder, self._stopped = folder, stopped
        self.replica: Replica | None = None
        """None until it exists."""
        self.rebuild_reason: str | None = None
        """Why a rebuild was requested; None if it was not."""
        self._unchecked: Replica | None = None
        self._warned = ""

    @property
    def sound(self) -> bool:
        """Whether there is a replica that is known to be sound."""
        return self.replica is not None and self.replica is not self._unchecked

    def open(self) -> None:
        """Open the file, if there is one, and begin to check it. Raises Unusable, sqlite3.Error."""
        replica = open_replica(self._folder) if self.replica is None else None
        if replica is not None:
            self._unchecked = self.replica = replica
            threading.Thread(target=self._check, args=(replica,), name="checker", daemon=True).start()

    def require(self, identity: Identity, partitions: int) -> Replica:
        """The replica of this system: the open one, or a new one. Raises RebuildNeeded, sqlite3.Error."""
        replica = self.replica
        if replica is None:
            self.replica = replica = create_replica(self._folder, identity, partitions)
            log.info("building a new replica in %s", self._folder)
        elif replica.identity != identity:
            raise RebuildNeeded(f"it was read from {replica.identity}, Kafka has {identity}")
        elif len(replica.progress.rows) != partitions:
            raise RebuildNeeded(
                f"it has {len(replica.progress.rows)} partitions, the topics have {partitions}"
            )
        return replica

    def request_rebuild(self, reason: str) -> None:
        """Request a new replica. Safe from any thread."""
        self.rebuild_reason = reason

    def require_no_request(self) -> None:
        """Raises RebuildNeeded if a rebuild was requested."""
        if self.rebuild_reason is not None:
            raise RebuildNeeded(self.rebuild_reason)

    def discard(self, reason: str) -> None:
        """Delete the file. Raises OSError."""
        log.warning("the replica is rebuilt: %s", reason)
        discarded, self.replica = self.replica, None
        if discarded is not None:
            discarded.close()
        delete_replica(self._folder)
        self.rebuild_reason = None

    def checkpoint(self, replica: Replica) -> None:
        """Copy the write-ahead log of ``replica`` into its file, and request a rebuild if that is lost."""
        if not replica.exists():
            self.request_rebuild("its file was deleted")
            return
        try:
            replica.checkpoint()
            self._warned = ""
        except sqlite3.Error as error:
            if is_damage(error):
                self.request_rebuild(f"it is damaged: {error}")
            else:
                # The file was just deleted, or the disk is full: the writer meets that, too
                self._warn_once(f"the replica's write-ahead log can't be copied into its file: {error}")

    def _warn_once(self, text: str) -> None:
        # The next attempt, two seconds later, meets the same
        if text != self._warned:
            log.warning("%s", text)
            self._warned = text

    def close(self) -> None:
        """Close the replica, if there is one."""
        if self.replica is not None:
            self.replica.close()

    def _check(self, replica: Replica) -> None:
        try:
            damage = replica.find_damage(self._stopped)
        except sqlite3.Error as error:
            damage = str(error) if is_damage(error) else None
            if damage is None and not self._stopped():
                log.warning("the replica can't be checked: %s", error)
        if self.replica is not replica:
            return
        if damage is None:
            self._unchecked = None
        else:
            self.request_rebuild(f"it is damaged: {damage}")
