"""Signed checkpoints, and proofs about events. Nothing is read before the first request."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from eventstore.partition_reader import read_partition
from evidence.checkpoint import BadCheckpoint, Checkpoint, parse_checkpoint, parse_origin
from evidence.leaf import leaf_of
from evidence.merkle import Tree
from evidence.proof import Included, Proof
from foundation.settings import Settings
from query_api.following.event_trees import EventTrees
from query_api.following.source import Source
from schemas.checkpoints import checkpoints_topic

TIMEOUT_S = 5.0
"""For one request to Kafka."""
KEPT_CHECKPOINTS = 100
"""Of each partition, the newest ones."""


class Noted(NamedTuple):
    """A checkpoint with its note. Its signature was not checked: whoever uses it has the key."""

    checkpoint: Checkpoint
    note: str


class NoCheckpoint(Exception):
    """No checkpoint of the partition is known."""


class TooFewEvents(Exception):
    """The partition has fewer events than were asked for."""


class Evidence:
    """Reads the checkpoints topic and the event store when asked to.

    Methods block for up to READ_LIMIT_S, and raise KafkaException, KafkaUnavailable, WrongTopic and
    StillReading. Call them in ``thread``: it is one, and reads of other routes don't wait for it.
    """

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings, self._source = settings, source
        self._topic = checkpoints_topic(settings)
        self._trees = EventTrees(settings)
        self.thread = ThreadPoolExecutor(1, "proofs")
        self._store = ("", "")
        self._next = 0
        self._kept: dict[int, deque[Noted]] = {}

    def checkpoints(self) -> dict[int, Noted]:
        """The newest checkpoint of each partition that has one."""
        return {partition: noted[-1] for partition, noted in sorted(self._read().items())}

    def prove(self, partition: int, offsets: list[int]) -> tuple[Proof, int]:
        """Prove the events at these offsets; the number of those that the proof covers, which are the first.

        Raises NoCheckpoint.
        """
        newest = self._read().get(partition)
        if not newest:
            raise NoCheckpoint
        end = self._source.event_ends(TIMEOUT_S)[partition]
        found = self._trees.read(partition, newest[-1].checkpoint.size, end)
        # A checkpoint of more events than exist proves nothing here, and `library verify` finds it
        noted = next((one for one in reversed(newest) if one.checkpoint.size <= len(found.tree)), None)
        if noted is None:
            raise NoCheckpoint
        size = noted.checkpoint.size
        covered = [offset for offset in offsets if size and offset <= found.offsets[size - 1]]
        records = [
            Included(found.index(offset), leaf_of(message), found.tree.inclusion(found.index(offset), size))
            for offset, message in zip(covered, self._trees.records(partition, covered), strict=True)
        ]
        return Proof(noted.note, records), len(covered)

    def consistency(self, partition: int, first: int, second: int) -> list[bytes]:
        """The proof that the first ``first`` events begin the first ``second``. Raises TooFewEvents."""
        end = self._source.event_ends(TIMEOUT_S)[partition]
        tree: Tree = self._trees.read(partition, second, end).tree
        if len(tree) < second:
            raise TooFewEvents(f"partition {partition} has {len(tree):,} events")
        return tree.consistency(first, second)

    def _read(self) -> dict[int, deque[Noted]]:
        """The kept checkpoints of this store by partition; reads those that are new."""
        identity = self._source.identify(TIMEOUT_S)
        if (identity.cluster, identity.events) != self._store:
            self._store, self._next = (identity.cluster, identity.events), 0
            self._kept.clear()
            self._trees.clear()
        end = self._source.end_of(self._topic, TIMEOUT_S)
        # A topic that was made anew is read from its beginning
        start = self._next if self._next <= end else 0
        for message in read_partition(self._settings, self._topic, 0, start, end=end):
            self._take((message.value() or b"").decode(errors="replace"))
        self._next = end
        return dict(self._kept)

    def _take(self, note: str) -> None:
        try:
            checkpoint = parse_checkpoint(note.partition("\n\n")[0] + "\n")
            origin = parse_origin(checkpoint.origin)
        except BadCheckpoint:
            # Not the notary's: others may write to the topic, too
            return
        if origin.is_of(*self._store):
            kept = self._kept.setdefault(origin.partition, deque(maxlen=KEPT_CHECKPOINTS))
            kept.append(Noted(checkpoint, note))
