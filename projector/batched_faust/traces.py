"""Spans of the records that are folded, in a process that traces."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from faust.types import TP

from foundation import tracing
from projector.batched_faust.batch import Batch, Traced


class Traces:
    """Records of a fetch that have a trace, except old ones, which a replay reads again."""

    def __init__(self) -> None:
        self._now_ns = time.time_ns()
        self._found: defaultdict[TP, list[Traced]] = defaultdict(list)

    def note(self, tp: Any, record: Any) -> None:
        """Note aiokafka's ``record`` of a partition if it has a trace."""
        if record.timestamp < self._now_ns // 1_000_000 - tracing.OLDEST_MS:
            return
        for name, value in record.headers:
            if name == tracing.TRACEPARENT and value is not None:
                traced = Traced(record.offset, value.decode("latin-1"), self._now_ns)
                self._found[TP(*tp)].append(traced)

    def give(self, batches: Mapping[TP, Batch]) -> None:
        """Give the notes to the records' batches."""
        for tp, traced in self._found.items():
            if tp in batches:
                batches[tp].traced = traced


def record_folds(batches: Iterable[Batch]) -> None:
    """A span for each record with a trace, from its fetch until now, when its row is committed."""
    now_ns = time.time_ns()
    for batch in batches:
        for offset, traceparent, fetched_ns in batch.traced:
            attributes = {
                "messaging.destination.partition.id": str(batch.tp.partition),
                "messaging.kafka.offset": offset,
            }
            tracing.record("fold", traceparent, fetched_ns, now_ns, (), attributes)
