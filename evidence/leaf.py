"""A record as bytes, and its hash in a Merkle tree.

The bytes are the timestamp (ms since 1970, UTC) as a 64-bit number, the length of each part as a 32-bit
number, then the parts. All numbers are signed and big-endian; a part that is None has length -1 and no bytes.
The parts are key, value, then name and value of each header in their order. Neither partition nor offset is
among them: a restored record has the same leaf.

No two records have the same bytes. The number of parts is not among them, but each more part makes them
longer: at most one number fits the whole length.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from struct import Struct

HASH_BYTES = 32
_LEAF = b"\0"
_encoded = lru_cache(256)(str.encode)


def leaf_data(
    timestamp: int, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> bytes:
    """The bytes of a record. Raises struct.error for a timestamp or a length that does not fit."""
    parts = [key, value]
    for name, header in headers:
        parts += (_encoded(name), header)
    try:
        # The usual record, which has all its parts; asking for None first would cost a third more
        return _packed(len(parts))(timestamp, *map(len, parts)) + b"".join(parts)  # type: ignore[arg-type]
    except TypeError:
        lengths = (-1 if part is None else len(part) for part in parts)
        return _packed(len(parts))(timestamp, *lengths) + b"".join(part or b"" for part in parts)


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf (RFC 6962, section 2.1)."""
    return sha256(_LEAF + data).digest()


@lru_cache(64)
def _packed(parts: int) -> Callable[..., bytes]:
    return Struct(f">q{parts}i").pack
