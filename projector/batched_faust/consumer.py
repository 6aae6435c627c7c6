"""The consumer: a whole fetch as one message, committed records only, offsets that follow the table.

Stock Faust passes on one record at a time, reads aborted events, and commits everything that its agents
acknowledged, failures included. Here a message is a ``Batch``. The group's offset passes it once the table
has stored it.
"""

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple, cast

from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode.utils.futures import notify

from projector.batched_faust.batch import Batch
from projector.batched_faust.crash import CrashInOwnLoop
from projector.batched_faust.fetching import ConsumerThread
from projector.batched_faust.table import Table


class Progress(NamedTuple):
    """The progress of one partition: the committed source offset, and the log's end as last reported."""

    position: int
    end: int
    halted: bool


class Consumer(CrashInOwnLoop, driver.Consumer):
    """Faust's consumer, with batches as messages."""

    mundane_level = "debug"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: defaultdict[TP, deque[Batch]] = defaultdict(deque)
        """Batches handed out and not yet committed, in order."""
        self._halted: set[TP] = set()

    @property
    def table(self) -> Table:
        """The app's one table."""
        return cast(Table, next(iter(self.app.tables.values())))

    def halt(self, tp: TP) -> None:
        """Read nothing more from the partition until the next assignment."""
        self._halted.add(tp)
        self.pause_partitions([tp])

    async def rewind(self, tp: TP) -> None:
        """Commit offset 0: after a restart the partition is read from the beginning, as in a replay."""
        self.halt(tp)
        # A later commit of a batch that is done must not overwrite it
        self._open.pop(tp, None)
        await self._commit({tp: 0})

    def sources(self, tps: Iterable[TP]) -> list[TP]:
        """The partitions of the event store among ``tps``."""
        return [tp for tp in tps if not self._is_changelog_tp(tp)]

    def assigned(self) -> list[TP]:
        """The partitions of the event store that this worker has. Raises ConsumerNotStarted."""
        return self.sources(self.assignment())

    def is_far_behind(self, tp: TP, offset: int) -> bool:
        """Whether much waits at ``offset``. Any thread may call this."""
        return cast(ConsumerThread, self._thread).is_far_behind(tp, offset)

    def progress(self) -> dict[int, Progress]:
        """The progress of each assigned partition of the event store. Any thread may call this."""
        try:
            tps = self.assigned()
        except ConsumerNotStarted:
            # Metrics are served before the consumer runs
            return {}
        ends = cast(ConsumerThread, self._thread).ends(tps)
        return {
            tp.partition: Progress(self._committed_offset.get(tp) or 0, ends.get(tp, 0), tp in self._halted)
            for tp in tps
        }

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Batches in

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        # A copy: after recovery Faust adds the sources to this very set. A pending changelog fetch would then
        # return their records while the flow is stopped, and they would be dropped (faust-streaming #596)
        return await self._thread.getmany(set(active_partitions or ()), timeout)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Fetched batches. None during a rebalance: recovery seeks before the flow resumes."""
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        for tp, batch in cast("dict[TP, Batch]", fetched or {}).items():
            if self.should_stop or not self.flow_active or generation != self.app.consumer_generation_id:
                return
            if tp in self._halted or not (tp in (active or ()) or tp in self._buffered_partitions):
                continue
            if self.sources([tp]):
                self._open[tp].append(batch)
            yield tp, self._to_message(tp, batch)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        batch: Any = record
        # After trailing markers: recovery then reaches the changelog's end, and the lag reaches 0
        return ConsumerMessage(
            tp.topic, tp.partition, batch.next - 1, 0.0, 0, [], None, batch, None, None, None, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: gaps in the offsets are inside batches, and nothing here counts single offsets."""

    # Offsets out

    def ack(self, message: Message) -> bool:
        """Note that the agent has finished a message. ``Batch.done`` decides what may be committed."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        self._n_acked += 1
        notify(self._waiting_for_ack)
        return True

    async def wait_empty(self) -> None:
        """Wait for the batches in progress. Faust counts a batch as finished when the agent has taken it."""
        await super().wait_empty()
        if not self.should_stop:
            await self.table.settle()
            await self.commit()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> list[TP]:  # type: ignore[override] # noqa: ARG002
        return list(self._open)

    def _new_offset(self, tp: TP) -> int | None:
        queue, offset = self._open[tp], None
        while queue and queue[0].done:
            offset = queue.popleft().next
        return offset

    # Assignments

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Claim the changelogs, then let Faust recover.

        The order matters: after the claim nobody else can append to a changelog, and recovery reads its final
        end. With a later claim a worker that was frozen could still overwrite a newer row with an old one.
        """
        self._halted.clear()
        sources = self.sources(assigned)
        # A consumer thread that is being stopped does not answer
        if sources and not self.app.should_stop:
            try:
                await self.table.claim({tp.partition for tp in sources})
            except Exception as error:  # noqa: BLE001 - aiokafka would log it and continue without partitions
                await self.app.crash(error)
                return
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let Faust wait for the batches in progress, then release the changelogs."""
        await super().on_partitions_revoked(revoked)
        await self.table.release({tp.partition for tp in revoked})
        for tp in revoked:
            self._open.pop(tp, None)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Resume fetching. If sources are among ``tps``, the flow waits for the seek.

        After recovery Faust resumes the sources, seeks, clears the queues and resumes the flow. Records
        fetched before the last step would be lost (faust-streaming #596).
        """
        tps = set(tps)
        if self.sources(tps):
            self.stop_flow()
            self.app.flow_control.suspend()
        super().resume_partitions(tps)

    async def perform_seek(self) -> None:
        """Seek to the table's position, or to the group's offset if that is lower."""
        self._open.clear()
        positions = {tp: self.table.position(tp.partition) for tp in self.assigned()}
        thread = cast(ConsumerThread, self._thread)
        for tp, start in (await thread.call_thread(thread.seek_sources, positions)).items():
            self._read_offset[tp] = start or None
            # Overwrite a group offset that is ahead of it
            self._committed_offset[tp] = start
