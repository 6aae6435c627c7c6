"""A record as bytes, and its hash in a Merkle tree.

The bytes are the timestamp (ms since 1970, UTC) as a 64-bit number, the length of each part as a 32-bit
number, then the parts. All numbers are signed and big-endian; a part that is None has length -1 and no bytes.
The parts are key, value, then name and value of each header in their order. Neither partition nor offset is
among them: a restored record has the same leaf.

No two records have the same bytes. The number of parts is not among them, but each more part makes them
longer: at most one number fits the whole length.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Any, Protocol, TypeAlias

HASH_BYTES = 32
NO_EVENT = bytes(HASH_BYTES)
"""In place of the leaf before the first event of a partition."""
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

_LEAF = b"\0"
_MOST_COMPILED = 30
"""Records with more headers are not ours: each number of headers has a function of its own."""
_TIME_BYTES, _LENGTH_BYTES = 8, 4
_encoded = lru_cache(256)(str.encode)
_Hash: TypeAlias = Callable[[int, bytes, bytes, Headers], bytes | None]
_hashes: dict[int, _Hash] = {}
"""By number of headers: the function for the names that the first record with so many headers had."""


def leaf_data(timestamp: int, key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """The bytes of a record. Raises struct.error for a timestamp or a length that does not fit."""
    parts = [key, value]
    for name, header in headers:
        parts += (_encoded(name), header)
    lengths = (-1 if part is None else len(part) for part in parts)
    return _packed(f">q{len(parts)}i")(timestamp, *lengths) + b"".join(part or b"" for part in parts)


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf (RFC 6962, section 2.1)."""
    return sha256(_LEAF + data).digest()


def record_hash(timestamp: int, key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """The hash of a record: ``leaf_hash(leaf_data(...))`` in half the time. Raises as ``leaf_data``."""
    try:
        # A part may be None, which raises TypeError
        found = _hashes[len(headers)](timestamp, key, value, headers)  # type: ignore[arg-type]
    except (KeyError, TypeError):
        found = None
        if len(headers) <= _MOST_COMPILED and len(headers) not in _hashes:
            _hashes[len(headers)] = _compiled(tuple(name for name, _ in headers))
    return found or leaf_hash(leaf_data(timestamp, key, value, headers))


class Message(Protocol):
    """The members of a confluent-kafka message that a leaf is made of."""

    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


def leaf_of(message: Message) -> bytes:
    """The bytes of a record that was read. Raises as ``leaf_data``."""
    return leaf_data(message.timestamp()[1], message.key(), message.value(), message.headers() or ())


def message_hash(message: Message) -> bytes:
    """The hash of a record that was read. Raises as ``leaf_data``."""
    return record_hash(message.timestamp()[1], message.key(), message.value(), message.headers() or ())


class BadLeaf(ValueError):
    """The bytes are not those of a record."""


def parse_leaf(
    data: bytes,
) -> tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
    """Timestamp, key, value and headers of the record with these bytes. Raises BadLeaf."""
    lengths: list[int] = []
    left = len(data) - _TIME_BYTES
    # Each more length leaves fewer bytes: at most one number of lengths leaves none
    while left > 0:
        at = _TIME_BYTES + _LENGTH_BYTES * len(lengths)
        lengths.append(int.from_bytes(data[at : at + _LENGTH_BYTES], "big", signed=True))
        left -= _LENGTH_BYTES + max(0, lengths[-1])
    if left or len(lengths) < 2 or len(lengths) % 2 or min(lengths) < -1 or -1 in lengths[2::2]:
        raise BadLeaf(f"{len(data)} bytes are not those of a record")
    at = _TIME_BYTES + _LENGTH_BYTES * len(lengths)
    parts: list[bytes | None] = []
    for length in lengths:
        parts.append(None if length < 0 else data[at : at + length])
        at += max(0, length)
    try:
        headers = [
            ((name or b"").decode(), value) for name, value in zip(parts[2::2], parts[3::2], strict=True)
        ]
    except UnicodeDecodeError as error:
        raise BadLeaf("the name of a header is not UTF-8") from error
    return int.from_bytes(data[:_TIME_BYTES], "big", signed=True), parts[0], parts[1], headers


def _compiled(names: tuple[str, ...]) -> _Hash:
    """The hash of records whose headers have these names; for others it returns None.

    It is compiled, because a loop over the headers takes more than twice as long, and the notary hashes every
    event. Nothing of a record becomes part of the code but lengths: names and their bytes are globals.
    """
    numbers = range(len(names))
    unpacked = "".join(f"(n{i}, v{i}), " for i in numbers)
    same = "".join(f" and n{i} == name{i}" for i in numbers)
    lengths = "".join(f", {len(name.encode())}, len(v{i})" for i, name in enumerate(names))
    parts = "".join(f", bytes{i}, v{i}" for i in numbers)
    source = (
        "def hashed(timestamp, key, value, headers):\n"
        f"    [{unpacked}] = headers\n"
        f"    if True{same}:\n"
        f"        lengths = pack(timestamp, len(key), len(value){lengths})\n"
        f"        return sha256(b''.join((lengths, key, value{parts}))).digest()\n"
    )
    # Its zero byte is _LEAF: to add it afterwards would copy the whole record
    scope: dict[str, object] = {"pack": _packed(f">xq{2 + 2 * len(names)}i"), "sha256": sha256}
    for i, name in enumerate(names):
        scope |= {f"name{i}": name, f"bytes{i}": name.encode()}
    exec(source, scope)
    hashed: _Hash = scope["hashed"]  # type: ignore[assignment]
    return hashed


@lru_cache(64)
def _packed(numbers: str) -> Callable[..., bytes]:
    return Struct(numbers).pack
