"""Reads record batches as the broker stores them, with what librdkafka keeps from its users.

librdkafka does not say whether a record was written in a transaction: one outside looks like one of the
transaction after it, because offsets show a transaction's end only. And a message of confluent-kafka costs
twice the time of a record that aiokafka parses.
"""

import asyncio
import ssl
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator
from operator import attrgetter, itemgetter
from struct import Struct as Packed
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from foundation.kafka_clients import KafkaUnavailable
from notary.record import Record

if TYPE_CHECKING:
    from foundation.settings import Settings

FETCH_BYTES = 2 << 20
"""One answer: it fits into the socket's buffers while the one before it is handled."""
RETRY_INTERVAL_S = 0.1
_WAIT_MS = 100
_READ_COMMITTED = 1
_TRANSACTIONAL = 0x10
# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta
_HEADER = Packed(">qiibIhi")
_LENGTH_AT = 12

T = TypeVar("T")


class Batches(NamedTuple):
    """Whole batches of a partition, one after the other."""

    place: TopicPartition
    start: int
    """The offset that was asked for. The first batch may begin before it."""
    next: int
    """The offset after the last batch."""
    outside: int | None
    """The first offset, from ``start`` on, of a batch that belongs to no transaction."""
    data: bytes
    aborted: list[tuple[int, int]]
    """Producer id and first offset of each aborted transaction."""

    def records(self) -> list[Record]:
        """The committed records from ``start`` on. Raises KafkaUnavailable where a batch is damaged."""
        records: list[Record] = []
        begun = sorted(self.aborted, key=itemgetter(1), reverse=True)
        aborting = set[int]()
        batches = MemoryRecords(self.data)
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise KafkaUnavailable(f"the batch at offset {batch.base_offset} is damaged")
            while begun and begun[-1][1] <= batch.base_offset:
                aborting.add(begun.pop()[0])
            if batch.is_control_batch:
                # A producer has one transaction at a time, and the marker is its end
                aborting.discard(batch.producer_id)
            elif not (batch.is_transactional and batch.producer_id in aborting):
                records += batch
        return records[bisect_left(records, self.start, key=attrgetter("offset")) :]


class BatchReader:
    """Reads the partitions of ``topic``, one after the other. A context manager, and not thread-safe.

    ``beat`` is called after each answer. Everything raises KafkaUnavailable if Kafka can't be read within the
    settings' deadline, or refuses.
    """

    def __init__(self, settings: "Settings", topic: str, beat: Callable[[], object]) -> None:
        self._settings, self._topic, self._beat = settings, topic, beat
        self._runner = asyncio.Runner()

    def __enter__(self) -> "BatchReader":
        try:
            self._client = self._run(self._connected())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._client.close())
        self._runner.close()

    def read(self, partition: int, start: int, end: int) -> Iterator[Batches]:
        """The batches with the offsets from ``start`` up to ``end``, without it. There must be such."""
        loop = self._runner.get_loop()
        coming = loop.create_task(self._batches(partition, start)) if start < end else None
        try:
            while coming is not None:
                found = self._run(coming)
                coming = None
                if found.next < end:
                    # The broker answers while these are handled
                    coming = loop.create_task(self._batches(partition, found.next))
                    self._run(asyncio.sleep(0))
                yield found
        finally:
            # The caller wants no more
            if coming is not None:
                coming.cancel()

    def _run(self, work: Awaitable[T]) -> T:
        try:
            return self._runner.get_loop().run_until_complete(work)
        except (KafkaError, OSError) as error:
            raise KafkaUnavailable(f"Kafka at {self._settings.kafka} can't be read: {error}") from error

    async def _connected(self) -> AIOKafkaClient:
        client = AIOKafkaClient(**_connection(self._settings))
        await client.bootstrap()
        await client.set_topics([self._topic])
        return client

    async def _batches(self, partition: int, start: int) -> Batches:
        loop, deadline_s = asyncio.get_running_loop(), self._settings.deadline
        given_up_at = loop.time() + deadline_s
        place = TopicPartition(self._topic, partition)
        while True:
            error = None
            try:
                data, aborted = await self._answer(place, start)
                found = _parsed(place, start, data, aborted)
                if found.next > start:
                    return found
            except KafkaError as failed:
                if not failed.retriable:
                    raise
                error = failed
            finally:
                self._beat()
            if loop.time() > given_up_at:
                raise error or KafkaUnavailable(
                    f"Kafka at {self._settings.kafka} was silent for {deadline_s:g} s"
                )
            await self._client.force_metadata_update()
            await asyncio.sleep(RETRY_INTERVAL_S)

    async def _answer(self, place: TopicPartition, start: int) -> tuple[bytes, list[tuple[int, int]]]:
        """Batches from an offset on; the broker may cut off the last one. Raises KafkaError."""
        leader = self._client.cluster.leader_for_partition(place)
        if leader is None or leader == -1:
            return b"", []
        wanted = [(place.topic, [(place.partition, start, FETCH_BYTES)])]
        request = FetchRequest(_WAIT_MS, 1, FETCH_BYTES, _READ_COMMITTED, wanted, rack_id="")
        answer = await self._client.send(leader, request)
        # Between them the ends and the beginning of the log; before the data the preferred replica
        ((_, ((_, code, _, _, _, aborted, *_, data),)),) = answer.topics
        if code:
            raise for_code(code)()
        return bytes(data or b""), aborted or []


def batches_of(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """First and last offset of each whole batch, and whether it belongs to a transaction."""
    at = 0
    while at + _HEADER.size <= len(data):
        base, length, _, _, _, attributes, last_delta = _HEADER.unpack_from(data, at)
        at += _LENGTH_AT + length
        if at <= len(data):
            yield base, base + last_delta, bool(attributes & _TRANSACTIONAL)


def _parsed(place: TopicPartition, start: int, data: bytes, aborted: list[tuple[int, int]]) -> Batches:
    next_offset, outside = start, None
    for base, last, transactional in batches_of(data):
        if last < start:
            continue
        next_offset = last + 1
        if not transactional and outside is None:
            outside = max(base, start)
    return Batches(place, start, next_offset, outside, data, aborted)


def _connection(settings: "Settings") -> dict[str, Any]:
    """The connection in aiokafka's terms."""
    context = None
    if settings.kafka_security.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.kafka_ca or None)
    return {
        "bootstrap_servers": settings.kafka,
        "client_id": "library",
        "security_protocol": settings.kafka_security,
        "ssl_context": context,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_username,
        "sasl_plain_password": settings.kafka_password,
        "request_timeout_ms": int(settings.deadline * 1000),
    }
