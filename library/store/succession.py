"""The state of a backup's logs, and of the logs of the store that it was restored into."""

from collections.abc import Callable, Iterable

from evidence.checkpoint import Checkpoint, Origin
from evidence.leaf import record_hash
from evidence.merkle import Frontier
from evidence.successor import Successor
from library.store.backup_file import Digest, Header, Record

BATCH_LEAVES = 4096


class NotTheSame(Exception):
    """The store does not begin with the events of the backup."""


class Logs:
    """The trees of the partitions of one store, for at most ``sizes`` events of each."""

    def __init__(self, partitions: int, sizes: dict[int, int] | None = None) -> None:
        self.digest = Digest()
        self._trees = [Frontier() for _ in range(partitions)]
        self._pending: list[list[bytes]] = [[] for _ in range(partitions)]
        self._left = None if sizes is None else dict(sizes)

    def add(self, record: Record) -> None:
        """Append an event to its partition."""
        partition = record.partition
        if self._left is not None:
            if not self._left.get(partition):
                return
            self._left[partition] -= 1
        self.digest.add(record)
        pending = self._pending[partition]
        pending.append(record_hash(record.timestamp, record.key, record.value, record.headers))
        if len(pending) == BATCH_LEAVES:
            self._trees[partition].add(pending)
            pending.clear()

    def checkpoints(self, name: str, cluster: str, topic: str) -> list[Checkpoint]:
        """The state of each partition."""
        for tree, pending in zip(self._trees, self._pending, strict=True):
            tree.add(pending)
            pending.clear()
        return [
            Checkpoint(str(Origin(name, cluster, topic, p)), tree.size, tree.root())
            for p, tree in enumerate(self._trees)
        ]


def successor_of(
    name: str,
    backup: tuple[Header, Iterable[Record]],
    store: tuple[str, str],
    stored: Iterable[Record],
    partition: Callable[[Record], int],
    partitions: int,
) -> Successor:
    """Read a backup and the store that it was restored into; ``store`` is its cluster and topic id.

    ``partition`` is the partition of a record in the new store, which has ``partitions``; ``name`` begins all
    origins. Events that were appended since are left out. Raises NotTheSame.
    """
    (header, records), (cluster, topic) = backup, store
    old, sizes = Logs(len(header.ends)), dict.fromkeys(range(partitions), 0)
    for record in records:
        old.add(record)
        sizes[partition(record)] += 1
    new = Logs(partitions, sizes)
    for record in stored:
        new.add(record)
    if new.digest.text() != old.digest.text():
        raise NotTheSame(
            f"the backup has {old.digest.records:,} events, of which the store has others in their places"
        )
    return Successor(
        old.digest.records,
        bytes.fromhex(old.digest.text()),
        old.checkpoints(name, header.cluster, header.topic_id),
        new.checkpoints(name, cluster, topic),
    )
