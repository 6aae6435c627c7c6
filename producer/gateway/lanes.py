"""The gateway's lanes: one thread, one writer and one bounded queue for each partition.

Commands that arrive during a commit, or while the lane waits for its turn, form the next batch. A transaction
costs about the same for one command as for a thousand, which is why batches may grow with the load.
"""

import logging
import threading
import time
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeAlias

from eventstore.append.writer import Writer
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from foundation import tracing
from foundation.kafka_clients import KafkaUnavailable
from producer.gateway.batch_trace import BatchTrace
from producer.gateway.turns import Turn, Turns

log = logging.getLogger(__name__)

LARGEST_BATCH = 1_000
"""Commands, and look-ups, that are taken from the queue together."""
LONGEST_QUEUE = 10_000
"""Commands that may wait for one partition: a few seconds' work."""
MOST_LOOK_UPS = 16
"""That may wait for one partition: each takes time that its commands need."""
UNREACHABLE_DEADLINE_S = 2.0
"""Of a batch after one that did not reach Kafka: its callers should not wait for longer."""
IDLE_INTERVAL_S = 1.0
"""Without a command after which a lane does deferred work, and gives up a partition that it does not own."""
RETRY_INTERVAL_S = 0.5
"""Without a command after which a lane checks whether Kafka can be reached again."""

Receipts: TypeAlias = list[Receipt] | Unwritable | OutcomeUnknown


class QueueFull(Exception):
    """As much waits for a partition as may."""


class Submission(NamedTuple):
    """A command in the queue; ``since``: when it was put there, by the monotonic clock."""

    submitted: Submitted
    future: "Future[Outcome]"
    since: float


class LookUp(NamedTuple):
    """A question in the queue: which receipts has this command id?"""

    command_id: str
    future: "Future[Receipts]"


class Wake:
    """An entry of the queue that only ends a wait."""


WAKE = Wake()


class Batch:
    """Commands and look-ups that are taken from the queue together."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.look_ups: list[LookUp] = []

    def __len__(self) -> int:
        return len(self.submissions) + len(self.look_ups)

    def add(self, entry: Submission | LookUp | Wake) -> None:
        """Add an entry of the queue."""
        if isinstance(entry, Submission):
            self.submissions.append(entry)
        elif isinstance(entry, LookUp):
            self.look_ups.append(entry)

    def futures(self) -> "list[Future[Any]]":
        """Of all entries."""
        futures: list[Future[Any]] = [entry.future for entry in self.submissions]
        futures += [entry.future for entry in self.look_ups]
        return futures


class Lane:
    """Feeds one partition's writer from a thread of its own.

    A lane that is not ``owned`` executes its commands, too, but does not hold the partition for long. With
    ``standby`` it follows the partition meanwhile.
    ``make_writer`` is called in that thread and may raise KafkaUnavailable; ``turns`` are those of all lanes;
    ``observe`` gets the size of each batch and its duration in seconds. All methods belong to the thread that
    runs ``loop``.
    """

    def __init__(
        self,
        make_writer: Callable[[], Writer],
        deadline_s: float,
        loop: AbstractEventLoop,
        turns: Turns,
        observe: Callable[[int, float], None],
        *,
        standby: bool = False,
    ) -> None:
        self.trouble: str | None = "the event store was not read yet"
        """Why commands can't be carried out at the moment; None if they can."""
        self._make_writer, self._turns, self._observe = make_writer, turns, observe
        self._deadline_s, self._loop, self._standby = deadline_s, loop, standby
        self._queue: SimpleQueue[Submission | LookUp | Wake | None] = SimpleQueue()
        self._look_ups = 0
        self.owned = False
        self.reading = False
        """Whether the partition was taken over, and has to be read before it can be written."""
        # The partition is read at once: the first command need not wait for that
        self._interval_s = 0.0
        self._thread = threading.Thread(target=self._run, name="lane", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def own(self, owned: bool) -> None:
        """Take the partition over, and read it at once; or give it up, after the submitted commands."""
        if owned != self.owned:
            self.owned = self.reading = owned
            self._queue.put(WAKE)

    def submit(self, submitted: Submitted) -> "Future[Outcome]":
        """The outcome, once it is certain. Raises QueueFull."""
        if self._queue.qsize() >= LONGEST_QUEUE:
            raise QueueFull
        future: Future[Outcome] = self._loop.create_future()
        self._queue.put(Submission(submitted, future, time.monotonic()))
        return future

    def look_up(self, command_id: str) -> "Future[Receipts]":
        """The result of ``Writer.look_up`` after everything that was submitted before. Raises QueueFull."""
        if self._look_ups >= MOST_LOOK_UPS:
            raise QueueFull
        future: Future[Receipts] = self._loop.create_future()
        self._queue.put(LookUp(command_id, future))
        self._look_ups += 1
        future.add_done_callback(self._end_look_up)
        return future

    @property
    def waiting(self) -> int:
        """Entries in the queue; those in flight are not counted."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Finish the submitted commands, give the partition up, end the thread; ``join`` waits for that."""
        self._queue.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end, for ``timeout_s`` seconds at most."""
        self._thread.join(timeout_s)

    def _wanted(self) -> bool:
        """Whether something waits in the queue; without it a long read need not be interrupted."""
        return not self._queue.empty()

    def _end_look_up(self, _: "Future[Any]") -> None:
        self._look_ups -= 1

    def _run(self) -> None:
        writer: Writer | None = None
        while (entry := self._next_entry()) is not None:
            batch = Batch()
            batch.add(entry)
            if not batch and not self.owned:
                writer = self._release(writer)
                continue
            try:
                writer = writer or self._make_writer()
            except KafkaUnavailable as error:
                self._fill(batch)
                self._give_up(batch, OutcomeUnknown(str(error), sent=False))
                continue
            try:
                self._work(writer, batch)
            except Exception:
                log.exception("the writer failed; another one replaces it")
                self._give_up(batch, OutcomeUnknown("the gateway failed; its log says how"))
                writer = None
        if writer is not None:
            writer.close()

    def _release(self, writer: Writer | None) -> Writer | None:
        """Give the partition up: the gateway that has it need not wait for the fence.

        Returns the writer that follows the partition on standby.
        """
        self.trouble = None
        self._interval_s = IDLE_INTERVAL_S
        try:
            if self._standby:
                writer = writer or self._make_writer()
                writer.follow(UNREACHABLE_DEADLINE_S, self._wanted)
                writer.rest()
                return writer
            if writer is not None:
                writer.close()
        except KafkaUnavailable as error:
            log.debug("the partition can't be followed: %s", error)
        except Exception:
            log.exception("the writer failed; another one replaces it")
        return None

    def _next_entry(self) -> Submission | LookUp | Wake | None:
        """The first that waits, a Wake after an interval without any, None when the lane must end."""
        try:
            return self._queue.get(timeout=self._interval_s)
        except Empty:
            return WAKE

    def _fill(self, batch: Batch) -> None:
        """Add all that waits."""
        with suppress(Empty):
            while len(batch) < LARGEST_BATCH:
                entry = self._queue.get_nowait()
                if entry is None:
                    # The end comes after this batch
                    self._queue.put(None)
                    return
                batch.add(entry)

    def _work(self, writer: Writer, batch: Batch) -> None:
        if batch:
            writer.wait()
            with self._turns.one() as turn:
                self._fill(batch)
                self._carry_out(writer, batch, turn)
        if self.reading or (not batch and self.trouble):
            self._note(writer.check(UNREACHABLE_DEADLINE_S, self._wanted))
        if (changed := writer.rest()) is not None:
            self._note(changed)

    def _carry_out(self, writer: Writer, batch: Batch, turn: Turn) -> None:
        if batch.submissions:
            self._execute(writer, batch.submissions)
            turn.took_s = writer.transaction_s
        for entry in batch.look_ups:
            self._settle([entry.future], [writer.look_up(entry.command_id, UNREACHABLE_DEADLINE_S)])

    def _execute(self, writer: Writer, submissions: Sequence[Submission]) -> None:
        trace = None if tracing.tracer is None else BatchTrace(writer)
        start = time.monotonic()
        left_s = 0.0 if self.trouble else submissions[0].since + self._deadline_s - start
        outcomes = writer.execute(
            [entry.submitted for entry in submissions], max(UNREACHABLE_DEADLINE_S, left_s)
        )
        self._note(outcomes[0])
        self._settle([entry.future for entry in submissions], outcomes)
        self._observe(len(submissions), time.monotonic() - start)
        if trace is not None:
            trace.end([entry.submitted for entry in submissions])

    def _give_up(self, batch: Batch, outcome: OutcomeUnknown) -> None:
        self._note(outcome)
        self._settle(batch.futures(), [outcome] * len(batch))

    def _note(self, outcome: Outcome | None) -> None:
        self.reading = False
        self.trouble = outcome.reason if isinstance(outcome, OutcomeUnknown) else None
        self._interval_s = RETRY_INTERVAL_S if self.trouble else IDLE_INTERVAL_S

    def _settle(self, futures: "Sequence[Future[Any]]", results: Sequence[Outcome | Receipts]) -> None:
        # A gateway that stops does not wait for a lane for ever; the callers have their answer then
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_set_results, futures, results)


def _set_results(futures: "Sequence[Future[Any]]", results: Sequence[Outcome | Receipts]) -> None:
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            future.set_result(result)
