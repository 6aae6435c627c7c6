"""The gateway: commands from many callers, carried out by one lane for each partition."""

import asyncio
import logging
import threading
from asyncio import Future
from collections.abc import Callable
from time import monotonic
from typing import Any

from confluent_kafka import KafkaException

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from foundation.http.problem import Problem
from foundation.kafka_clients import KafkaUnavailable, why
from foundation.settings import Settings
from producer.gateway.lanes import Full, Lane
from producer.gateway.responses import FULL, RETRY, STOPPING
from producer.writers import binding, snapshot_of, writer_of

log = logging.getLogger(__name__)

DRAINING = 12.0
"""Seconds that a stop waits for what was accepted; after them its outcome is called unknown."""
LEAVING = 3.0
"""Seconds that a lane is given to hand its partition over."""
AGAIN = 1.0
"""Seconds before a Kafka that could not be used is asked again: all lanes begin with the same question."""


class Gateway:
    """Owns the partitions while it runs. For the event loop that runs ``start``, and no other thread."""

    def __init__(self, settings: Settings, observe: Callable[[int, float], None]) -> None:
        self.settings, self._observe = settings, observe
        self.lanes: list[Lane] = []
        self.stopping = False
        self._pending: set[Future[Any]] = set()
        self._bound_to, self._asking = "", threading.Lock()
        self._away, self._ask_again = "", 0.0

    def start(self) -> None:
        """Begin to read all partitions; commands are taken at once, and wait for that."""
        loop = asyncio.get_running_loop()
        for partition in range(self.settings.partitions):
            self.lanes.append(Lane(self._writer_of(partition), self.settings.deadline, loop, self._observe))
        for lane in self.lanes:
            lane.start()

    async def submit(self, submitted: Submitted) -> Outcome:
        """Carry a command out. Raises Problem 503: nothing was done, there is too much to do already."""
        lane = self.lanes[partition_of(submitted.command.isbn, self.settings.partitions)]
        outcome: Outcome = await self._answered(lane.submit, submitted)
        return outcome

    async def look_up(self, command_id: str, isbn: str | None) -> list[Receipt] | Unwritable | OutcomeUnknown:
        """Receipts of accepted commands with this id, of one title or of all. Raises as ``submit``.

        None: no such command was accepted, and no attempt that was begun before can be any more.
        """
        lanes = self.lanes if isbn is None else [self.lanes[partition_of(isbn, self.settings.partitions)]]
        receipts = []
        for found in await asyncio.gather(*(self._answered(lane.look_up, command_id) for lane in lanes)):
            if not isinstance(found, list):
                return found  # type: ignore[no-any-return]
            receipts += [receipt for receipt in found if isbn in (None, receipt.isbn)]
        return receipts

    @property
    def open(self) -> int:
        """How much was accepted and is not answered yet."""
        return len(self._pending)

    def troubles(self) -> dict[int, str]:
        """Partitions that can't be written at the moment, and why."""
        found = {}
        for partition, lane in enumerate(self.lanes):
            trouble = lane.trouble if lane.alive else "its thread has ended"
            if trouble is not None:
                found[partition] = trouble
        return found

    async def drain(self) -> None:
        """Take nothing more, and return when all that was accepted is answered."""
        self.stopping = True
        end = asyncio.get_running_loop().time() + DRAINING
        while self._pending and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)
        if self._pending:
            log.warning("stopping with %d outcomes unknown", len(self._pending))
        for future in self._pending:
            if not future.done():
                future.set_result(OutcomeUnknown("the gateway is stopping"))

    async def stop(self) -> None:
        """Give the partitions up."""
        self.stopping = True
        for lane in self.lanes:
            lane.stop()
        await asyncio.gather(*(asyncio.to_thread(lane.join, LEAVING) for lane in self.lanes))

    async def _answered(self, put: Any, what: Submitted | str) -> Any:
        if self.stopping:
            raise Problem(
                503, STOPPING, "nothing was done, the gateway is stopping: try again", headers=RETRY
            )
        try:
            future = put(what)
        except Full as error:
            detail = "nothing was done, too many commands are waiting: try again"
            raise Problem(503, FULL, detail, headers=RETRY) from error
        self._pending.add(future)
        try:
            return await future
        finally:
            self._pending.discard(future)

    def _writer_of(self, partition: int) -> Callable[[], Writer]:
        def make() -> Writer:
            return writer_of(self.settings, partition, snapshot_of(self.settings, partition, self._binding()))

        return make

    def _binding(self) -> str:
        """What snapshots are bound to. Raises KafkaUnavailable. In any lane's thread."""
        with self._asking:
            if not self._bound_to and monotonic() >= self._ask_again:
                try:
                    self._bound_to = binding(self.settings)
                except KafkaException as error:
                    self._away = f"Kafka at {self.settings.kafka} can't be used: {why(self.settings, error)}"
                    self._ask_again = monotonic() + AGAIN
            if not self._bound_to:
                raise KafkaUnavailable(self._away)
            return self._bound_to
