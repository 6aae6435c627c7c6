"""Signed checkpoints of the events of a query API without Kafka, and proofs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from eventstore.keys import event_key
from evidence.checkpoint import Checkpoint, Origin
from evidence.leaf import leaf_data, leaf_hash
from evidence.merkle import Tree
from evidence.proof import Included, Proof
from query_api.following.evidence import Evidence, NoCheckpoint, Noted, TooFewEvents
from query_api.replica.events import StoredEvent
from tests.support.evidence.signed_records import CLUSTER, KEY, NAME, TOPIC


class Stock(Protocol):
    """The stored events; each partition's are in order."""

    stored: list[StoredEvent]


class StockEvidence(Evidence):
    """Reads no Kafka. ``uncovered`` events follow each last checkpoint."""

    def __init__(self, stock: Stock, uncovered: int = 0) -> None:
        self._stock, self.uncovered = stock, uncovered
        self.thread = ThreadPoolExecutor(1, "proofs")

    def checkpoints(self) -> dict[int, Noted]:
        partitions = sorted({event.partition for event in self._stock.stored})
        return {p: noted for p in partitions if (noted := self._noted(p)).checkpoint.size}

    def prove(self, partition: int, offsets: Sequence[int]) -> tuple[Proof, int]:
        noted, leaves = self._noted(partition), self._leaves(partition)
        size, tree = noted.checkpoint.size, Tree(map(leaf_hash, leaves))
        if not size:
            raise NoCheckpoint
        # Without transactions, offset and index are the same
        covered = [offset for offset in offsets if offset < size]
        included = [Included(offset, leaves[offset], tree.inclusion(offset, size)) for offset in covered]
        return Proof(noted.note, included), len(covered)

    def consistency(self, partition: int, first: int, second: int) -> list[bytes]:
        tree = Tree(map(leaf_hash, self._leaves(partition)))
        if second > len(tree):
            raise TooFewEvents(f"partition {partition} has {len(tree)} events")
        return tree.consistency(first, second)

    def _leaves(self, partition: int) -> list[bytes]:
        there = [event for event in self._stock.stored if event.partition == partition]
        return [leaf_data(e.at, event_key(e.isbn, e.version), e.value, []) for e in there]

    def _noted(self, partition: int) -> Noted:
        leaves = self._leaves(partition)
        size = max(0, len(leaves) - self.uncovered)
        root = Tree(map(leaf_hash, leaves)).root(size)
        checkpoint = Checkpoint(str(Origin(NAME, CLUSTER, TOPIC, partition)), size, root)
        return Noted(checkpoint, checkpoint.signed([KEY]))
