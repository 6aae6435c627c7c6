"""Spans of the commands in a batch."""

import time
from collections.abc import Sequence

from eventstore.append.writer import Writer
from eventstore.state.outcomes import Submitted
from foundation import tracing
from foundation.tracing import TRACEPARENT


class BatchTrace:
    """The steps of one batch, from its beginning on. For processes that trace."""

    def __init__(self, writer: Writer) -> None:
        self._begun_ns = time.time_ns()
        self._steps: list[tuple[str, int]] = []
        writer.reached = self._reach

    def _reach(self, step: str) -> None:
        self._steps.append((step, time.time_ns()))

    def end(self, submitted: Sequence[Submitted]) -> None:
        """Record a span for each command that has a trace. Call it after the answers are sent."""
        end_ns = self._steps[-1][1] if self._steps else time.time_ns()
        for one in submitted:
            if (traceparent := one.carried.get(TRACEPARENT)) is not None:
                attributes = {
                    "library.command_id": one.command_id,
                    "messaging.batch.message_count": len(submitted),
                }
                tracing.record("append", traceparent, self._begun_ns, end_ns, self._steps, attributes)
