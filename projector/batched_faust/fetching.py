"""The thread that talks to Kafka: it returns fetches as batches, and seeks to the start."""

import asyncio
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from foundation import tracing
from projector.batched_faust.batch import Batch, Record
from projector.batched_faust.changelog import TRANSACTION_TIMEOUT_MS
from projector.batched_faust.crash import CrashInOwnLoop
from projector.batched_faust.errors import Unrecoverable
from projector.batched_faust.traces import Traces

FETCH_WAIT_MS = 100
"""The broker holds a fetch without records for this long. Faust hard-codes 1,500."""
FETCH_MAX_BYTES = 4 << 20
"""One answer, all partitions together. A rebuild holds about three of them, and one of each partition whose
turn has not come."""
FAR_BEHIND_SHARE = 10
"""A partition is far behind as long as at least a tenth of a batch waits: with a whole one, all rows would be
written and forgotten before the last batch, and read, folded and written again after it."""
FAVOUR_MAX_S = 1.0
"""A partition that is far behind and without records, because its broker is silent, loses its turn."""
FULL_MAX_S = TRANSACTION_TIMEOUT_MS / 1000
"""A partition whose batches the agent does not take for this long loses its turn, too: a write that takes so
long has timed out."""
IDLE_FETCH_MAX_BYTES = 64 << 10
"""One answer before the first records are requested."""


class ConsumerThread(CrashInOwnLoop, driver.AIOKafkaConsumerThread):
    """aiokafka's consumer, a fetch at a time."""

    mundane_level = "debug"

    _favoured: TP | None = None
    """The partition that is far behind and gives records at present."""
    _favoured_until = 0.0
    """When (``time.monotonic()``) another one takes its turn if nothing arrives."""
    _asked_at = 0.0
    """When it was asked for records last."""

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # aiokafka reads these when it starts; Faust has no settings for them
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        # Until Faust seeks to the start of recovery, aiokafka fetches the changelog's first records in vain
        consumer._fetch_max_bytes = IDLE_FETCH_MAX_BYTES
        return consumer

    async def on_thread_stop(self) -> None:
        """Leave the group. aiokafka keeps static members in it, but an offset reset needs an empty group."""
        if self._consumer is not None:
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()

    def close(self) -> None:
        """Called by the app's thread at a rebalance while it stops; ``on_thread_stop`` closes everything.

        Faust would close the connections from the app's loop. They belong to this thread's, which may read
        from one of them at that moment: the process then ended by SIGSEGV.
        """

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, Batch]:
        fetcher: Fetcher = consumer._fetcher
        fetcher._fetch_max_bytes = FETCH_MAX_BYTES
        end = time.monotonic() + (timeout or 0)
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                if batches := await self._drain(fetcher, active_partitions, max_records):
                    return batches
                if (left := end - time.monotonic()) <= 0:
                    break
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=left)
                if waiter.done():
                    waiter.result()
                else:
                    waiter.cancel()
        return {}

    async def _drain(self, fetcher: Fetcher, tps: set[TP], most: int | None) -> dict[TP, Batch]:
        """Batches of those of ``tps`` that have records, and empty ones of those that only advanced.

        Nothing here awaits, so the positions before and after belong to exactly these records. (A position
        advances without records over aborted ones and markers.) A partition that is far behind gives its
        records alone, up to ``most``: the more events of a row come together, the fewer rows are written.
        The others give theirs together: none of them waits until another one is folded and written.
        """
        before = self._positions(tps)
        records: dict[TP, list[Record]] = {}
        left = most
        traces = None if tracing.tracer is None else Traces()
        for tp in self._turn(fetcher, before):
            fetched = fetcher._records[tp]
            if type(fetched) is FetchResult and fetched.has_more():
                # A full record object with its headers would cost as much as folding the event
                fetched._partition_records._consumer_record = _record if traces is None else _noting(traces)
            elif records:
                # An error would be raised, and the records that were taken already would be lost
                break
            if records and tp == self._favoured:
                continue
            records |= await fetcher.fetched_records({tp}, timeout=0, max_records=left)
            if tp == self._favoured or (most is not None and (left := most - _count(records)) <= 0):
                break
        after = self._positions(before)
        batches = {
            tp: Batch(records.get(tp, ()), tp, begin, after[tp])
            for tp, begin in before.items()
            if begin is not None and after.get(tp) not in (None, begin)
        }
        if traces is not None:
            traces.give(batches)
        return batches

    def _turn(self, fetcher: Fetcher, positions: Mapping[TP, Any]) -> list[TP]:
        """The partitions that may give records now, in the order in which these arrived.

        Of the partitions that are far behind only one: the rows of one fit into the memory eight times as
        often as the rows of eight, and each partition is finished no later than if all advanced together.
        """
        far = self._far_ones(positions)
        now = time.monotonic()
        ready = [tp for tp in fetcher._records if tp in positions]
        full = now - self._asked_at < FULL_MAX_S and self._is_full(self._favoured, positions)
        if not full and (
            self._favoured not in far or (self._favoured not in ready and now > self._favoured_until)
        ):
            self._favoured = next((tp for tp in ready if tp in far), None)
        if full or self._favoured in ready:
            self._favoured_until = now + FAVOUR_MAX_S
        if self._favoured in positions:
            self._asked_at = now
        # Errors are raised in any case
        return [
            tp for tp in ready
            if tp not in far or tp == self._favoured or type(fetcher._records[tp]) is not FetchResult
        ]  # fmt: skip

    def _is_full(self, tp: TP | None, asked: Container[TP]) -> bool:
        """Whether a partition that is far behind is asked for no records until the agent takes the last ones.

        That happens while its rows are written. If it lost its turn then, they would be written once more.
        """
        if tp is None or tp in asked or tp in self.consumer._paused_partitions:
            return False
        return tp in self._far_ones(self._positions([tp]))

    def _far_ones(self, positions: Mapping[TP, Any]) -> set[TP]:
        return {tp for tp, at in positions.items() if at is not None and self.is_far_behind(tp, at)}

    def is_far_behind(self, tp: TP, offset: int) -> bool:
        """Whether much waits at ``offset``: a FAR_BEHIND_SHARE of a batch. Any thread may call this."""
        state = self._states([tp]).get(tp)
        if state is None or state.highwater is None:
            return False
        # What an open transaction hides can't be read yet
        end = state.highwater if state.lso is None else min(state.lso, state.highwater)
        most: int = self.consumer.app.conf.broker_max_poll_records
        return bool(end - offset >= most // FAR_BEHIND_SHARE)

    def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The ends of the partitions, as of the broker's last answer."""
        return {tp: state.highwater or 0 for tp, state in self._states(tps).items()}

    def _positions(self, tps: Iterable[TP]) -> dict[TP, Any]:
        return {tp: state._position for tp, state in self._states(tps).items()}

    def _states(self, tps: Iterable[TP]) -> dict[TP, Any]:
        """aiokafka's state of each assigned partition."""
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription and subscription.assignment
        if not assignment:
            return {}
        return {TP(*tp): assignment.state_value(tp) for tp in tps if tp in assignment.tps}

    async def seek_sources(self, positions: Mapping[TP, int]) -> dict[TP, int]:
        """Seek each partition to min(group offset, table position), and return these offsets.

        This includes partitions without a committed offset, which aiokafka's own seek leaves unchanged. The
        changelogs are recovered, and not fetched any more until the next assignment. Raises Unrecoverable if
        the event store lacks the needed events.
        """
        consumer = self._ensure_consumer()
        # Faust only stops asking for them: aiokafka would fetch what this worker writes, and keep it
        consumer.pause(*(tp for tp in consumer.assignment() if tp not in positions))
        tps, starts = list(positions), {}
        first, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        for tp, position in positions.items():
            if position > ends[tp]:
                raise Unrecoverable(
                    f"the table has the events of {tp.topic} {tp.partition} up to {position}, but the event "
                    f"store ends at {ends[tp]}: it lost events. Restore it from a backup, or, to accept the "
                    "loss, delete the table's changelog topic, `library topics create`, and start again"
                )
            start = starts[tp] = min(await consumer.committed(driver.ensure_aiokafka_TP(tp)) or 0, position)
            if start < first[tp]:
                raise Unrecoverable(
                    f"the table needs the events of {tp.topic} {tp.partition} from {start}, but the event "
                    f"store begins at {first[tp]}: events were deleted. Restore it from a backup"
                )
            consumer.seek(driver.ensure_aiokafka_TP(tp), start)
        return starts


def _count(records: Mapping[TP, Sequence[Record]]) -> int:
    return sum(map(len, records.values()))


def _record(tp: Any, record: Any) -> Record:  # noqa: ARG001
    return record.offset, record.key, record.value


def _noting(traces: Traces) -> Callable[[Any, Any], Record]:
    def record(tp: Any, fetched: Any) -> Record:
        traces.note(tp, fetched)
        return _record(tp, fetched)

    return record
