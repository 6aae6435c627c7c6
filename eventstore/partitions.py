"""The partition of a stream, as Kafka's Java clients compute it."""

import struct
from functools import lru_cache

_MASK = 0xFFFFFFFF
_WORDS = struct.Struct("<I").iter_unpack


# For titles that are asked for again at once: one entry takes 250 bytes, in every process
@lru_cache(maxsize=1 << 12)
def partition_of(stream: str, partitions: int) -> int:
    """The partition, of ``partitions``, that holds all events of the stream.

    Computed here and passed explicitly: librdkafka's default partitioner is another hash.
    """
    return (murmur2(stream.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 as an unsigned 32-bit number (org.apache.kafka.common.utils.Utils.murmur2)."""
    m, h = 0x5BD1E995, 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for (k,) in _WORDS(data[:whole]):
        k = k * m & _MASK
        h = h * m & _MASK ^ ((k ^ k >> 24) * m & _MASK)
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & _MASK
    h = (h ^ h >> 13) * m & _MASK
    return h ^ h >> 15
