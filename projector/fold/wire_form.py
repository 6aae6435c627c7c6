"""The form of a row in the fold's memory: one object of bytes, from which a stored row is joined.

Titles whose row has this form are in the inventory and not held. Attributes, and objects for each of them,
took twice the memory; a rebuild keeps all rows of a partition.
"""

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import TypeAlias

from projector.fold.wire_bytes import (
    AFTER_ISBN,
    MAX_NUMBER,
    MAX_USER_BYTES,
    TIME_BYTES,
    after_two_texts,
    number,
    one_time,
    text,
    two_times,
    varint,
)
from schemas.codec import newest
from schemas.row import InventoryRow

WireRow: TypeAlias = bytes
"""Five counters, ``updated_at``, two places, fields of a newer schema, title and author, loans. All but the
counters and places are as in the stored row."""
Numbers: TypeAlias = tuple[bool, int, int, int, int, int, int]
"""The counters: whether the row is to be written, version, quantity, available copies, loans. The places:
where title and author begin and end."""

counters = Struct("<?IHHH").pack
places = Struct("<II").pack
numbers: Callable[[WireRow], Numbers] = Struct(f"<?IHHH{TIME_BYTES}xII").unpack_from
DATE = len(counters(False, 0, 0, 0, 0))
AFTER_DATE = DATE + TIME_BYTES
FIELDS = AFTER_DATE + len(places(0, 0))
_MAX_VERSION = (1 << 31) - 1

_ISBN_LENGTH = b"\x1a"


def joined(
    version: int,
    quantity: int,
    available: int,
    lent: int,
    updated_at: bytes,
    texts: bytes,
    loans: bytes = b"",
) -> WireRow:
    """A row of these parts without fields of a newer schema, not to be written."""
    ends = places(FIELDS, FIELDS + len(texts))
    return b"".join((counters(False, version, quantity, available, lent), updated_at, ends, texts, loans))


def with_fields(wire: WireRow, fields: bytes) -> WireRow:
    """A row that has no fields of a newer schema, with these."""
    if not fields:
        return wire
    *_, begin, end = numbers(wire)
    ends = places(begin + len(fields), end + len(fields))
    return wire[:AFTER_DATE] + ends + fields + wire[FIELDS:]


def of_added(value: bytes) -> WireRow | None:
    """The row after a BookAdded, without fields of a newer schema; None if it is unusual."""
    end = after_two_texts(value, AFTER_ISBN)
    quantity, times = number(value, end)
    if quantity < 0 or not one_time(value, times):
        return None
    return joined(1, quantity, quantity, 0, value[times:], value[AFTER_ISBN:end])


def of_row(row: InventoryRow) -> WireRow | None:
    """The row without fields of a newer schema; None if its form is not exactly the expected one."""
    updated_at, copies = varint(row.updated_at), (row.quantity, row.available)
    # After a damaged BookAdded the shelf can be negative: only the plain fold refuses what keeps it so
    if not one_time(updated_at) or min(copies) < 0 or max(copies) > MAX_NUMBER:
        return None
    users, loans = set(), list[bytes]()
    for loan in row.loans:
        user, times = text(loan.user_id), varint(loan.borrowed_at) + varint(loan.due_at)
        if not two_times(times) or len(user) > 1 + MAX_USER_BYTES or not user.isascii():
            return None
        users.add(user)
        loans.append(user + times)
    if not 0 <= row.version <= _MAX_VERSION or not len(users) == len(loans) <= MAX_NUMBER:
        return None
    texts = text(row.title) + text(row.author)
    return joined(row.version, *copies, len(loans), updated_at, texts, b"".join(loans))


def encoded(wire: WireRow, isbn: bytes) -> bytes:
    """The row of the title with this ISBN, as ``schemas.codec.encode`` writes it."""
    _, version, quantity, available, lent, begin, end = numbers(wire)
    return b"".join(
        (
            start("InventoryRow"), isbn, wire[begin:end], varint(quantity), varint(available),
            *((varint(lent), wire[end:]) if lent else ()),
            b"\0\0\0", varint(version), wire[DATE:AFTER_DATE], wire[FIELDS:begin],
        )
    )  # fmt: skip


def version_of(wire: WireRow) -> int:
    """The version of the row."""
    return numbers(wire)[1]


def is_changed(wire: WireRow) -> bool:
    """Whether the row is to be written."""
    return wire[0] != 0


def marked(wire: WireRow, *, changed: bool) -> WireRow:
    """The row, to be written or not."""
    return (b"\1" if changed else b"\0") + wire[1:]


@cache
def start(subject: str) -> bytes:
    """The first bytes of an event or a row: its frame, and the length of the ISBN that follows."""
    return b"\0" + newest(subject).id.to_bytes(4, "big") + _ISBN_LENGTH
