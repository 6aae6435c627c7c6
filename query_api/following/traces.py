"""Spans of events on their way into the replica."""

import time
from typing import NamedTuple

from confluent_kafka import Message

from foundation import tracing
from query_api.replica.progress import Progress

MOST_PENDING = 10_000
"""Events that wait for their row; of more the first ones get no span."""


class _Pending(NamedTuple):
    partition: int
    offset: int
    traceparent: str
    begun_ns: int


class Traces:
    """Events that are in the replica's history, and whose row is not yet. For processes that trace."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def note(self, message: Message, headers: dict[str, str]) -> None:
        """Begin the span of an event that was read, where it has a trace and is no event of the past."""
        now_ns = time.time_ns()
        traceparent = headers.get(tracing.TRACEPARENT)
        if traceparent and message.timestamp()[1] > now_ns // 1_000_000 - tracing.OLDEST_MS:
            place = (message.partition() or 0, message.offset() or 0)
            self._pending.append(_Pending(*place, traceparent, now_ns))

    def advance(self, progress: Progress) -> None:
        """Record the spans of events whose row is in the replica now."""
        now_ns, waiting = time.time_ns(), []
        for one in self._pending:
            if not progress.has({one.partition: one.offset}):
                waiting.append(one)
                continue
            attributes = {
                "messaging.destination.partition.id": str(one.partition),
                "messaging.kafka.offset": one.offset,
            }
            tracing.record("replicate", one.traceparent, one.begun_ns, now_ns, (), attributes)
        self._pending = waiting[-MOST_PENDING:]
