"""The table's rows on disk: one RocksDB for each partition, one write for each batch."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from faust.stores import rocksdb
from faust.types import TP, EventT
from rocksdict import WriteBatch

from projector.batched_faust.batch import Batch

IDENTITY_KEY = b"__identity__"
"""In RocksDB only: cluster and topics that the rows belong to. No row may have this key."""

MEMORY = {"block_cache_size": 512 << 10, "write_buffer_size": 2 << 20, "max_write_buffer_number": 2}
"""RocksDB's options, in bytes for each partition. The fold keeps recent rows, so small caches suffice."""


class Store(rocksdb.Store):
    """RocksDB bound to its changelog. Data of another changelog is deleted and recovered."""

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
        return self._is_ahead(partition, self._db_for_partition(partition))

    def offset(self, partition: int) -> int:
        """The changelog offset of the newest row; -1 if there is none."""
        return int(self._db_for_partition(partition).get(self.offset_key) or -1)

    def read(self, partition: int, key: bytes) -> bytes | None:
        """A row, or the position record."""
        return cast("bytes | None", self._db_for_partition(partition).get(key))

    def write(self, partition: int, rows: Iterable[tuple[bytes, bytes | None]], offset: int) -> None:
        """Store rows and the changelog offset of the last one, all or nothing. A row of None is deleted."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, b"%d" % offset)
        self._db_for_partition(partition).write(batch)

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
        db = super()._open_for_partition(partition)
        known = db.get(IDENTITY_KEY)
        if known != self.identity or self._is_ahead(partition, db):
            if known is not None:
                self.log.warning("partition %s: the rows on disk are of another changelog", partition)
            db.close()
            shutil.rmtree(self.partition_path(partition))
            db = super()._open_for_partition(partition)
            db.put(IDENTITY_KEY, self.identity)
        return db

    def _is_ahead(self, partition: int, db: Any) -> bool:
        end = self.ends[TP(cast(Any, self.table).changelog_topic_name, partition)]
        return int(db.get(self.offset_key) or -1) >= end
