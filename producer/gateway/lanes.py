"""The gateway's writers: one thread and one bounded queue for each partition.

What arrives while a commit is in flight forms the next batch, so a batch grows with the load: one transaction
costs about the same for one command as for a thousand.
"""

import logging
import threading
import time
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeAlias

from eventstore.append.writer import Writer
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from foundation.kafka_clients import KafkaUnavailable

log = logging.getLogger(__name__)

LARGEST_BATCH = 1000
LONGEST_QUEUE = 10_000
"""Commands that may wait for one partition: a second's work, or a few."""
MOST_LOOK_UPS = 16
"""Each takes a moment of the partition's time, so they must not come before the commands."""
AWAY = 2.0
"""Seconds that a batch is given after one that did not reach Kafka: to wait longer helps nobody."""
EACH, MOST = 0.001, 0.016
"""Seconds for each further command of a batch, and in all, by which the next is put off; see ``_gather``."""
REST, RETRY = 1.0, 0.5
"""Seconds without a command after which a lane does what can wait, or looks whether Kafka is back."""

Found: TypeAlias = list[Receipt] | Unwritable | OutcomeUnknown


class Full(Exception):
    """A partition has as much to do as may wait for it."""


class Waiting(NamedTuple):
    """Something to do, and where its result is waited for; ``since`` is of the monotonic clock."""

    what: Submitted | str
    future: Future[Any]
    since: float


class Lane:
    """Feeds one partition's writer from a thread of its own.

    ``make_writer`` is called in that thread and may raise KafkaUnavailable; ``observe`` is told the size and
    the seconds of each batch. All methods belong to the thread that runs ``loop``.
    """

    def __init__(
        self,
        make_writer: Callable[[], Writer],
        deadline: float,
        loop: AbstractEventLoop,
        observe: Callable[[int, float], None],
    ) -> None:
        self.trouble: str | None = "the event store was not read yet"
        """Why commands can't be carried out at the moment; None: they can."""
        self._make_writer, self._deadline, self._loop, self._observe = make_writer, deadline, loop, observe
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._look_ups = 0
        # The partition is read at once, so that the first command need not wait for it
        self._pause = 0.0
        self._next = 0.0
        self._thread = threading.Thread(target=self._run, name="lane", daemon=True)

    def start(self) -> None:
        """Begin to read the partition, then to work."""
        self._thread.start()

    def submit(self, submitted: Submitted) -> "Future[Outcome]":
        """The outcome, once it is certain. Raises Full."""
        if self._queue.qsize() >= LONGEST_QUEUE:
            raise Full
        return self._put(submitted)

    def look_up(self, command_id: str) -> "Future[Found]":
        """What ``Writer.look_up`` says, after all that was submitted before. Raises Full."""
        if self._look_ups >= MOST_LOOK_UPS:
            raise Full
        future = self._put(command_id)
        self._look_ups += 1
        future.add_done_callback(self._looked_up)
        return future

    @property
    def waiting(self) -> int:
        """How much is in the queue, what is in flight left out."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Finish what was submitted, give the partition up, end the thread; ``join`` waits for that."""
        self._queue.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, at most so long."""
        self._thread.join(seconds)

    def _put(self, what: Submitted | str) -> "Future[Any]":
        future: Future[Any] = self._loop.create_future()
        self._queue.put(Waiting(what, future, time.monotonic()))
        return future

    def _looked_up(self, _: "Future[Any]") -> None:
        self._look_ups -= 1

    def _run(self) -> None:
        writer: Writer | None = None
        while (batch := self._next_batch(writer)) is not None:
            try:
                writer = writer or self._make_writer()
            except KafkaUnavailable as error:
                self._give_up(batch, OutcomeUnknown(str(error), sent=False))
                continue
            try:
                self._work(writer, batch)
            except Exception:
                log.exception("the writer failed; another one takes its place")
                self._give_up(batch, OutcomeUnknown("the gateway failed, its log says how"))
                writer = None
        if writer is not None:
            writer.close()

    def _next_batch(self, writer: Writer | None) -> list[Waiting] | None:
        """All that waits; empty when nothing came for a while, None when the lane is to end."""
        batch: list[Waiting] = []
        try:
            one = self._queue.get(timeout=self._pause)
            if writer is not None:
                self._gather(writer)
            while one is not None:
                batch.append(one)
                if len(batch) == LARGEST_BATCH:
                    return batch
                one = self._queue.get_nowait()
        except Empty:
            return batch
        if not batch:
            return None
        self._queue.put(None)
        return batch

    def _gather(self, writer: Writer) -> None:
        """Let others come after the first, when there were several in the batch before.

        A transaction costs the processors as much as a dozen commands. So where many callers keep them busy,
        a batch that is a little later and larger makes all of them quicker.
        """
        if (left := self._next - time.monotonic()) > 0:
            time.sleep(left)
        writer.wait()

    def _work(self, writer: Writer, batch: Sequence[Waiting]) -> None:
        began = time.monotonic()
        given = [one for one in batch if isinstance(one.what, Submitted)]
        if given:
            seconds = AWAY if self.trouble else max(AWAY, given[0].since + self._deadline - began)
            outcomes = writer.execute([one.what for one in given], seconds)  # type: ignore[misc]
            self._note(outcomes[0])
            self._settle(given, outcomes)
            ended = time.monotonic()
            self._observe(len(given), ended - began)
            self._next = ended + min(MOST, EACH * (len(given) - 1))
        asked = [one for one in batch if isinstance(one.what, str)]
        for one in asked:
            self._settle([one], [writer.look_up(str(one.what), AWAY)])
        if not batch and self.trouble:
            self._note(writer.look_up("", AWAY))
        writer.rest()

    def _give_up(self, batch: Sequence[Waiting], outcome: OutcomeUnknown) -> None:
        self._note(outcome)
        self._settle(batch, [outcome] * len(batch))

    def _note(self, result: Outcome | Found) -> None:
        self.trouble = result.reason if isinstance(result, OutcomeUnknown) else None
        self._pause = RETRY if self.trouble else REST

    def _settle(self, batch: Sequence[Waiting], results: Sequence[Outcome | Found]) -> None:
        # A stop does not wait for a lane for ever; who waited has been told so
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_set_results, batch, results)


def _set_results(batch: Sequence[Waiting], results: Sequence[Outcome | Found]) -> None:
    for one, result in zip(batch, results, strict=True):
        if not one.future.done():
            one.future.set_result(result)
