import struct

from hypothesis import given
from hypothesis import strategies as st

from notary.batches import batches_of


def batch(base: int, records: int, attributes: int, body: bytes) -> bytes:
    """A record batch of the message format 2, as far as it is examined."""
    rest = struct.pack(">ibIhi", 0, 2, 0, attributes, records - 1) + body
    return struct.pack(">qi", base, len(rest)) + rest


BATCHES = [
    (0, 3, 0x10, b"three records"),
    (3, 1, 0x30, b"marker"),
    (4, 2, 0x00, b""),
    (9, 1, 0x11, b"x" * 99),
]
EXPECTED = [(0, 2, True), (3, 3, True), (4, 5, False), (9, 9, True)]


@given(st.integers(0, 300))
def test_each_whole_batch_is_examined(length: int) -> None:
    parts = [batch(*one) for one in BATCHES]
    data = b"".join(parts)
    found = list(batches_of(data[:length]))
    assert found == EXPECTED[: len(found)]
    assert len(b"".join(parts[: len(found) + 1])) > length or len(found) == 4
