"""Examines record batches as the broker stores them: whether each belongs to a transaction.

librdkafka gives records without this bit. A record that was written outside a transaction looks like one of
the transaction after it, because offsets show a transaction's end only.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from struct import Struct as Packed
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition

from foundation.kafka_clients import KafkaUnavailable

if TYPE_CHECKING:
    from foundation.settings import Settings

FETCH_BYTES = 8 << 20
RETRY_INTERVAL_S = 0.1
_WAIT_MS = 100
_READ_COMMITTED = 1
_TRANSACTIONAL = 0x10
# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta
_HEADER = Packed(">qiibIhi")
_LENGTH_AT = 12


def first_outside(
    settings: "Settings", topic: str, spans: Mapping[int, tuple[int, int]], beat: Callable[[], object]
) -> dict[int, int]:
    """The offset of the first record that is outside a transaction, by partition; without partitions that
    have none. ``spans`` has the offsets to examine, by partition: from, and up to, without it.

    ``beat`` is called after each answer. Raises KafkaUnavailable when Kafka can't be read within the
    settings' deadline.
    """
    try:
        return asyncio.run(_first_outside(settings, topic, spans, beat))
    except (KafkaError, OSError) as error:
        raise KafkaUnavailable(f"Kafka at {settings.kafka} can't be read: {error}") from error


async def _first_outside(
    settings: "Settings", topic: str, spans: Mapping[int, tuple[int, int]], beat: Callable[[], object]
) -> dict[int, int]:
    client = AIOKafkaClient(**_connection(settings))
    found: dict[int, int] = {}
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        for partition, (start, end) in spans.items():
            outside = await _outside(client, settings, topic, partition, start, end, beat)
            if outside is not None:
                found[partition] = outside
    finally:
        await client.close()
    return found


async def _outside(
    client: AIOKafkaClient,
    settings: "Settings",
    topic: str,
    partition: int,
    start: int,
    end: int,
    beat: Callable[[], object],
) -> int | None:
    loop = asyncio.get_running_loop()
    progress_at = loop.time()
    while start < end:
        error, data = await _fetched(client, topic, partition, start)
        beat()
        if data:
            for base, last, transactional in batches_of(data):
                if not transactional and base < end and last >= start:
                    return max(base, start)
                start = max(start, last + 1)
            progress_at = loop.time()
        elif loop.time() - progress_at > settings.deadline:
            raise error or KafkaUnavailable(
                f"Kafka at {settings.kafka} was silent for {settings.deadline:g} s"
            )
        else:
            await client.force_metadata_update()
            await asyncio.sleep(RETRY_INTERVAL_S)
    return None


async def _fetched(
    client: AIOKafkaClient, topic: str, partition: int, start: int
) -> tuple[KafkaError | None, bytes]:
    """The batches from an offset on, or why there are none."""
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    if leader is None or leader == -1:
        return None, b""
    request = FetchRequest(
        _WAIT_MS, 1, FETCH_BYTES, _READ_COMMITTED, [(topic, [(partition, start, FETCH_BYTES)])], rack_id=""
    )
    try:
        answer = await client.send(leader, request)
    except KafkaError as error:
        return error, b""
    ((_, ((_, code, *_, data),)),) = answer.topics
    return (for_code(code)() if code else None), bytes(data or b"")


def batches_of(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """First and last offset of each batch, and whether it belongs to a transaction.

    The broker may cut the last batch off. Its header is enough; without a whole header it is left out.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        base, length, _, _, _, attributes, last_delta = _HEADER.unpack_from(data, at)
        yield base, base + last_delta, bool(attributes & _TRANSACTIONAL)
        at += _LENGTH_AT + length


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
