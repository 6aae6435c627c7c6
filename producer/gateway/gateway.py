"""The gateway: commands from many callers, executed by one lane for each partition."""

import asyncio
import logging
import threading
from asyncio import Future
from collections.abc import Callable, Collection
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from foundation.http.problem import Problem
from foundation.kafka_clients import KafkaUnavailable, why
from foundation.settings import Settings
from producer.gateway.lanes import Lane, QueueFull
from producer.gateway.responses import FULL, RETRY_LATER, STOPPING
from producer.gateway.turns import Turns
from producer.names.erasures import Erasures
from producer.names.names import Names
from producer.writers import binding, open_names, snapshot_of, writer_of

log = logging.getLogger(__name__)

DRAIN_TIMEOUT_S = 12.0
"""That a stop waits for the outcomes of accepted commands; after it they are answered as unknown."""
JOIN_TIMEOUT_S = 3.0
"""That a lane has to give its partition up."""
RETRY_INTERVAL_S = 1.0
"""Between two questions to a Kafka that could not be used: all lanes begin with the same question."""

T = TypeVar("T")


class Gateway:
    """Executes commands, one lane for each partition. All methods belong to the loop that runs ``start``."""

    def __init__(self, settings: Settings, observe: Callable[[int, float], None]) -> None:
        self.settings, self._observe = settings, observe
        self.lanes: list[Lane] = []
        self._turns = Turns(settings.partitions)
        self.stopping = False
        self._pending: set[Future[Any]] = set()
        self._binding_lock = threading.Lock()
        self._binding = ""
        self._names: Names | None = None
        self._erasures: Erasures | None = None
        self._kafka_trouble, self._retry_at = "", 0.0

    def start(self) -> None:
        """Start the lanes. Commands are accepted at once; ``own`` says which partitions are read already."""
        loop = asyncio.get_running_loop()
        for partition in range(self.settings.partitions):
            make, standby = self._writer_of(partition), bool(self.settings.standby)
            self.lanes.append(
                Lane(make, self.settings.deadline, loop, self._turns, self._observe, standby=standby)
            )
        for lane in self.lanes:
            lane.start()

    async def submit(self, submitted: Submitted) -> Outcome:
        """Execute a command. Raises Problem 503 where nothing was done: too much waits, or a stop began."""
        lane = self.lanes[partition_of(submitted.command.isbn, self.settings.partitions)]
        return await self._result(lambda: lane.submit(submitted))

    def own(self, partitions: Collection[int]) -> None:
        """Read these partitions and keep them; give others up after each command."""
        self._turns.share(max(1, len(partitions)) / self.settings.partitions)
        for partition, lane in enumerate(self.lanes):
            lane.own(partition in partitions)

    async def look_up(self, command_id: str, partition: int) -> list[Receipt] | Unwritable | OutcomeUnknown:
        """Receipts of a partition's accepted commands with this id. Raises as ``submit``.

        An empty list: no such command was accepted, and no attempt that was submitted before can be any more.
        """
        return await self._result(partial(self.lanes[partition].look_up, command_id))

    @property
    def names(self) -> Names | None:
        """Of borrowers, where the store keeps them apart and Kafka has said it already."""
        return self._names

    def ask_for_names(self) -> Names | None:
        """The same, asked for if need be: not for the loop. Raises KafkaUnavailable."""
        self._store_binding()
        return self._names

    @property
    def owned(self) -> list[int]:
        """Partitions that are kept."""
        return [partition for partition, lane in enumerate(self.lanes) if lane.owned]

    @property
    def open(self) -> int:
        """Requests that were accepted and not answered yet."""
        return len(self._pending)

    def troubles(self) -> dict[int, str]:
        """Own partitions that can't be written at the moment, and why."""
        troubles = {}
        for partition, lane in enumerate(self.lanes):
            trouble = lane.trouble if lane.alive else "its thread has ended"
            if trouble is None and lane.reading:
                trouble = "it is being read"
            if lane.owned and trouble is not None:
                troubles[partition] = trouble
        return troubles

    async def drain(self) -> None:
        """Accept nothing more; return when everything accepted is answered."""
        self.stopping = True
        end = asyncio.get_running_loop().time() + DRAIN_TIMEOUT_S
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
        await asyncio.gather(*(asyncio.to_thread(lane.join, JOIN_TIMEOUT_S) for lane in self.lanes))
        if self._erasures is not None:
            await asyncio.to_thread(self._erasures.stop, JOIN_TIMEOUT_S)

    async def _result(self, put: "Callable[[], Future[T]]") -> T:
        if self.stopping:
            detail = "nothing was done, the gateway is stopping: try again"
            raise Problem(503, STOPPING, detail, headers=RETRY_LATER)
        try:
            future = put()
        except QueueFull as error:
            detail = "nothing was done, too many commands are waiting: try again"
            raise Problem(503, FULL, detail, headers=RETRY_LATER) from error
        self._pending.add(future)
        try:
            return await future
        finally:
            self._pending.discard(future)

    def _writer_of(self, partition: int) -> Callable[[], Writer]:
        def make() -> Writer:
            snapshot = snapshot_of(self.settings, partition, self._store_binding())
            if self._names is None or self._erasures is None:
                return writer_of(self.settings, partition, snapshot)
            returned = self._erasures.returned
            return writer_of(self.settings, partition, snapshot, names=self._names, returned=returned)

        return make

    def _store_binding(self) -> str:
        """The store that snapshots belong to. Called by all lanes' threads. Raises KafkaUnavailable."""
        with self._binding_lock:
            if not self._binding and monotonic() >= self._retry_at:
                try:
                    bound = binding(self.settings)
                    # Afterwards: the topic of names is created before the event store
                    self._open_names()
                    self._binding = bound
                except KafkaException as error:
                    trouble = why(self.settings, error)
                    self._kafka_trouble = f"Kafka at {self.settings.kafka} can't be used: {trouble}"
                    self._retry_at = monotonic() + RETRY_INTERVAL_S
            if not self._binding:
                raise KafkaUnavailable(self._kafka_trouble)
            return self._binding

    def _open_names(self) -> None:
        """Find out whether the store has names. Raises KafkaException."""
        if self._names is None and (names := open_names(self.settings)) is not None:
            self._names, self._erasures = names, Erasures(names)
            self._erasures.start()
