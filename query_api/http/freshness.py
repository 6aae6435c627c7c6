"""How fresh a read is: the replica it is answered from, as new as its caller requires."""

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable

from confluent_kafka import Message

from eventstore.partitions import partition_of
from eventstore.positions import BadPosition, parse_positions
from foundation.http.headers import Headers
from foundation.http.problem import Problem
from query_api.following.followed import Followed
from query_api.following.source import KafkaException, Source
from query_api.following.waiters import Waiters
from query_api.http.patrons import Patrons
from query_api.replica.damage import is_damage
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica

log = logging.getLogger(__name__)

MAX_REASON_BYTES = 1_000
"""Of the header Inventory-Stale."""

LONGEST_TIMEOUT_S = 30.0
"""That a request may wait for a position."""
_CHECK_AFTER_S = 0.25
"""Of waiting after which Kafka is asked whether the position exists at all."""


class Reading:
    """The replica as the routes use it."""

    def __init__(
        self, source: Source, follower: Followed, waiters: Waiters, patrons: Patrons | None = None
    ) -> None:
        self._source, self.follower, self._waiters = source, follower, waiters
        self.patrons = patrons or Patrons()
        self.instance = secrets.token_hex(8)
        """The name of this process among those that share an address."""
        self.readers = 0
        """Streams of changes that are open."""

    def start(self) -> None:
        """Follow the topics."""
        if self.patrons.names is not None:
            self.patrons.names.start()
        self.follower.start()

    def stop(self) -> None:
        """Stop following."""
        self.follower.stop()
        if self.patrons.names is not None:
            self.patrons.names.stop()

    @property
    def ready(self) -> bool:
        """Whether answers have everything that was recorded when the process started."""
        return self.follower.ready and self.patrons.ready

    @property
    def trouble(self) -> str | None:
        """The reason why nothing new can be read; None while it can."""
        return self.follower.trouble or self.patrons.trouble

    def progress(self) -> Progress | None:
        """The replica's progress; None while there is no replica."""
        replica = self.follower.replica
        return None if replica is None else replica.progress

    def position(self) -> str:
        """The position for headers. Get it before reading: it must not promise more than the answer has."""
        progress = self.progress()
        return "" if progress is None else str(progress)

    def headers(self, position: bytes) -> Headers:
        """Headers of an answer: its position, and the reason why it may be old."""
        headers = [(b"inventory-position", position)]
        if (trouble := self.trouble) is not None:
            reason = " ".join(trouble.split()).encode("ascii", "replace")
            headers.append((b"inventory-stale", reason[:MAX_REASON_BYTES]))
        return headers

    def replica(self) -> Replica:
        """The replica. Raises Problem 503 as long as it never had everything."""
        replica = self.follower.replica
        if replica is None or not replica.progress.complete:
            raise _not_ready("the replica is still being made; /readyz shows its progress, try again")
        return replica

    def unreadable(self, error: sqlite3.DatabaseError) -> Problem:
        """The answer when the replica can't be read; a damaged one is made again."""
        if is_damage(error):
            self.follower.rebuild(f"it is damaged: {error}")
        else:
            log.error("the replica can't be read: %s", error)
        return _not_ready("the replica can't be read; if it is damaged it is made again, try again")

    def needs(self, text: str) -> dict[int, int]:
        """The offsets that a position requires, by partition.

        Raises Problem 400 for text that is no position, or not one of this store.
        """
        try:
            needs = parse_positions(text)
        except BadPosition as error:
            raise Problem(400, "bad_position", str(error)) from error
        self.check_partitions(needs)
        return needs

    async def soon(self, needs: dict[int, int], timeout: float) -> bool:
        """Whether rows and history include these offsets within ``timeout`` seconds, or a quarter of one."""
        return await self._until(needs, min(timeout, _CHECK_AFTER_S))

    async def after(self, text: str, timeout: float, *, waited: bool = False) -> Replica:
        """The replica, once rows and history include the position in ``text``; waits ``timeout`` seconds.

        ``waited``: the caller has waited with ``soon``, in vain. Raises Problem: 400 for a position that this
        store does not have, 503 after the time-out.
        """
        needs = self.needs(text)
        if waited or not await self.soon(needs, timeout):
            beyond = await asyncio.to_thread(self._beyond_the_end, needs)
            left = max(0.0, timeout - _CHECK_AFTER_S)
            if not await self._until(needs, left):
                if beyond is not None and left:
                    # A new leader may learn late where the committed records end
                    beyond = await asyncio.to_thread(self._beyond_the_end, needs)
                raise beyond or Problem(
                    503, "not_there_yet",
                    f"the table has not reached {text[:200]} within {timeout:g} s; it is at "
                    f"{self.position() or 'the beginning'}: try again",
                    headers={"Retry-After": "1"},
                )  # fmt: skip
        return self.replica()

    def check_partitions(self, offsets: dict[int, int]) -> None:
        """Raises Problem 400 for a partition that the event store does not have."""
        if beyond := [p for p in offsets if p >= self._source.partitions]:
            raise Problem(
                400, "bad_position",
                f"there is no partition {beyond[0]}: the event store has {self._source.partitions}",
            )  # fmt: skip

    def record(self, partition: int, offset: int, timeout: float) -> Message | None:
        """The record of the event store at this offset; None: there is none.

        Raises KafkaException, KafkaUnavailable.
        """
        return self._source.record(partition, offset, timeout)

    def partition_of(self, isbn: str) -> int:
        """The partition that has the title's events."""
        return partition_of(isbn, self._source.partitions)

    async def counted(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``events``, counted in ``readers`` until they end."""
        self.readers += 1
        try:
            async for event in events:
                yield event
        finally:
            self.readers -= 1

    async def until(self, condition: Callable[[Progress], bool], timeout: float) -> bool:
        """Whether ``condition`` becomes true of the progress within ``timeout`` seconds."""
        return await self._waiters.until(condition, self.progress, timeout)

    def answers_from(self, replica: Replica) -> bool:
        """Whether ``replica`` is still the one to answer from, and the process is not stopping."""
        return self.follower.replica is replica and not self._waiters.ended

    async def _until(self, needs: dict[int, int], timeout: float) -> bool:
        return await self.until(lambda progress: progress.has(needs), timeout)

    def _beyond_the_end(self, needs: dict[int, int]) -> Problem | None:
        """The problem with a position that the event store does not have, as Kafka says at the moment."""
        ends = self.follower.ends
        for partition, offset in needs.items():
            if self.follower.trouble is not None or (ends is not None and offset < ends.events[partition]):
                # It exists, or Kafka can't be asked now: waiting decides
                continue
            try:
                end = self._source.high_watermark(partition, timeout=2.0)
            except KafkaException:
                return None
            if offset >= end:
                return Problem(
                    400, "beyond_the_end",
                    f"{partition}:{offset} is beyond the event store's end, which is {partition}:{end - 1}",
                )  # fmt: skip
        return None


def _not_ready(detail: str) -> Problem:
    return Problem(503, "not_ready", detail, headers={"Retry-After": "1"})
