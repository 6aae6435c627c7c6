"""The table's rows on disk: one RocksDB for each partition."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from faust.stores import rocksdb
from faust.types import TP, EventT
from rocksdict import WriteBatch

from eventstore.table_position import POSITION_KEY
from projector.batched_faust.batch import Batch
from projector.batched_faust.errors import Damaged

IDENTITY_KEY = b"__identity__"
"""In RocksDB only: cluster and topics that the rows belong to. No row may have this key."""

MEMORY = {"block_cache_size": 512 << 10, "write_buffer_size": 2 << 20, "max_write_buffer_number": 2}
"""RocksDB's options, in bytes for each partition. The fold keeps recent rows, so small caches suffice."""
PIECE_BYTES = MEMORY["write_buffer_size"] // 2
"""Rows that are written to RocksDB together. It would keep a larger piece in memory as a whole."""

_PASSING = (
    errno.EAGAIN,
    errno.ENOLCK,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
)
"""Errors that say nothing about the rows: locked by another worker, no room, no memory, too many files."""


class Store(rocksdb.Store):
    """RocksDB bound to its changelog. Damaged data and data of another changelog is deleted and recovered."""

    mundane_level = "debug"

    identity = b""
    ends: Mapping[TP, int] = {}
    """The end of each claimed changelog partition."""

    def expect(self, identity: bytes, ends: Mapping[TP, int]) -> None:
        """Set the identity and the ends that a partition must match. Call it before partitions are opened."""
        self.identity, self.ends = identity, ends

    def opened(self) -> list[int]:
        """The open partitions."""
        return list(self._dbs)

    def ahead(self, partition: int) -> bool:
        """Whether the rows are newer than the changelog's end: it was truncated or replaced."""
        return self.offset(partition) >= self._end(partition)

    def offset(self, partition: int) -> int:
        """The changelog offset of the newest row; -1 if there is none. Raises Damaged."""
        return _offset(self.read(partition, self.offset_key))

    def read(self, partition: int, key: bytes) -> bytes | None:
        """A row, or the position record. Raises Damaged."""
        try:
            return cast("bytes | None", self._db_for_partition(partition).get(key))
        except Exception as error:
            raise self._discarded(partition, error) from error

    def rows(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All rows, without the records about them."""
        for key, row in self._db_for_partition(partition).items():
            if key not in (IDENTITY_KEY, POSITION_KEY, self.offset_key):
                yield key, row

    def discard(self, partition: int) -> None:
        """Delete the rows of the partition. They can't be used again before a restart."""
        if (db := self._dbs.pop(partition, None)) is not None:
            db.close()
        _delete(self.partition_path(partition))

    def write(self, partition: int, rows: Iterable[tuple[bytes, bytes | None]], offset: int) -> int:
        """Store rows, and with the last of them its changelog offset. A row of None is deleted.

        After a crash in between, the rows behind the offset before are read from the changelog again. Returns
        the number of bytes. Raises Damaged.
        """
        batch, written = WriteBatch(raw_mode=True), 0
        for key, value in rows:
            if batch.size_in_bytes() > PIECE_BYTES:
                written += self._write(partition, batch)
                batch = WriteBatch(raw_mode=True)
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, b"%d" % offset)
        written += self._write(partition, batch)
        if written > PIECE_BYTES:
            # RocksDB would keep the last of them in memory until the next write, which may never come
            self._db_for_partition(partition).flush()
        return written

    def _write(self, partition: int, batch: WriteBatch) -> int:
        """Write the batch, all or nothing, and return its size in bytes. Raises Damaged."""
        size: int = batch.size_in_bytes()
        try:
            self._db_for_partition(partition).write(batch)
        except Exception as error:
            raise self._discarded(partition, error) from error
        return size

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],  # noqa: ARG002
        to_value: Callable[[Any], Any],  # noqa: ARG002
    ) -> None:
        """Recovery: each event's value is a Batch of changelog records."""
        for event in batch:
            records = cast(Batch, event.message.value)
            rows = ((key, value) for _, key, value in records if key is not None)
            self.write(event.message.partition, rows, event.message.offset)

    def _open_for_partition(self, partition: int) -> Any:
        path = self.partition_path(partition)
        if os.path.lexists(path):
            try:
                return self._opened(partition)
            except Exception as error:
                if _is_passing(error):
                    raise
                self.log.warning(
                    "partition %s: the rows on disk are not used, they are read from the changelog again: %s",
                    partition, error,
                )  # fmt: skip
            _delete(path)
        db = super()._open_for_partition(partition)
        db.put(IDENTITY_KEY, self.identity)
        return db

    def _opened(self, partition: int) -> Any:
        """The existing RocksDB. Raises Damaged if it is another changelog's, and RocksDB's errors."""
        db = super()._open_for_partition(partition)
        try:
            if db.get(IDENTITY_KEY) != self.identity:
                raise Damaged("they are not known to be of this changelog")
            if _offset(db.get(self.offset_key)) >= self._end(partition):
                raise Damaged("they are newer than this changelog's end")
        except Exception:
            # Unlocks the files
            db.close()
            raise
        return db

    def _end(self, partition: int) -> int:
        return self.ends[TP(cast(Any, self.table).changelog_topic_name, partition)]

    def _discarded(self, partition: int, error: Exception) -> Exception:
        """The error to raise for ``error``; the rows are deleted if it is about them."""
        if isinstance(error, Damaged) or _is_passing(error):
            return error
        self.discard(partition)
        return Damaged(f"partition {partition}: the rows on disk can't be read and were deleted: {error}")


def _offset(stored: bytes | None) -> int:
    """The number; -1 if there is none. Raises Damaged."""
    try:
        return -1 if stored is None else int(stored)
    except ValueError as error:
        raise Damaged(f"{stored!r} is no offset") from error


def _is_passing(error: Exception) -> bool:
    """Whether the rows may be sound. RocksDB raises plain exceptions with the system's words in them."""
    return any(os.strerror(number) in str(error) for number in _PASSING)


def _delete(path: Path) -> None:
    """Delete a file or folder, or move it aside if this user may not delete its content. Raises OSError."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except PermissionError:
        path.rename(path.with_name(f"{path.name}.damaged-{time.time_ns()}"))
