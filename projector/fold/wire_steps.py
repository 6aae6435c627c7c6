"""Common events, applied to a row in its ``wire_form`` without decoding either.

In Avro, a BookBorrowed after its ISBN is byte for byte the loan that its row gets. Each step returns the row
after the event, to be written; empty bytes if the event has to take the slow path. The event's frame and ISBN
are known to be right, and its version is the next one.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from projector.fold.wire_bytes import (
    AFTER_ISBN,
    MAX_NUMBER,
    TIME_BYTES,
    TIMES_BYTES,
    after_text,
    after_two_texts,
    has_its_length,
    number,
    one_loan,
    one_time,
    user_and_time,
)
from projector.fold.wire_form import AFTER_DATE, FIELDS, Numbers, WireRow, counters, places

Step: TypeAlias = Callable[[WireRow, Numbers, bytes], WireRow]


def _borrowed(wire: WireRow, numbers: Numbers, value: bytes) -> WireRow:
    _, version, quantity, available, lent, _, loans = numbers
    loan = one_loan(value, AFTER_ISBN)
    if loan is None or available < 1:
        return b""
    user = loan[1]
    # The bytes may also stand within other loans: then the slow path lends the copy
    if not has_its_length(user) or wire.find(user, loans) >= 0:
        return b""
    begin = counters(True, version + 1, quantity, available - 1, lent + 1)
    return b"".join((begin, value[-12:-6], wire[AFTER_DATE:], loan[0]))


def _returned(wire: WireRow, numbers: Numbers, value: bytes) -> WireRow:
    found = user_and_time(value, AFTER_ISBN)
    return b"" if found is None else _ended(wire, numbers, found[1], value, 0, 1)


def _renewed(wire: WireRow, numbers: Numbers, value: bytes) -> WireRow:
    _, version, quantity, available, lent, _, loans = numbers
    found = one_loan(value, AFTER_ISBN)
    if found is None or (at := _place(wire, found[1], loans)) < 0:
        return b""
    begin = counters(True, version + 1, quantity, available, lent)
    end = at + len(found[1]) + TIMES_BYTES
    return b"".join((begin, value[-12:-6], wire[AFTER_DATE : end - TIME_BYTES], value[-6:], wire[end:]))


def _copies_added(wire: WireRow, numbers: Numbers, value: bytes) -> WireRow:
    _, version, quantity, available, lent, _, _ = numbers
    more, times = number(value, AFTER_ISBN)
    if more < 0 or not one_time(value, times) or max(quantity, available) + more > MAX_NUMBER:
        return b""
    begin = counters(True, version + 1, quantity + more, available + more, lent)
    return b"".join((begin, value[times:], wire[AFTER_DATE:]))


def _withdrawn(wire: WireRow, numbers: Numbers, value: bytes) -> WireRow:
    _, version, quantity, available, lent, _, _ = numbers
    copies, reason = number(value, AFTER_ISBN)
    user_type = after_text(value, reason)
    if copies < 0 or not user_type:
        return b""
    if value[user_type : user_type + 1] == b"\2":
        lost = user_and_time(value, user_type + 1)
        return b"" if lost is None or quantity < 1 else _ended(wire, numbers, lost[1], value, -1, 0)
    if (
        value[user_type : user_type + 1] != b"\0"
        or copies > min(available, quantity)
        or not one_time(value, user_type + 1)
    ):
        return b""
    begin = counters(True, version + 1, quantity - copies, available - copies, lent)
    return b"".join((begin, value[-6:], wire[AFTER_DATE:]))


def _corrected(wire: WireRow, numbers: Numbers, value: bytes) -> WireRow:
    _, version, quantity, available, lent, texts, loans = numbers
    end = after_two_texts(value, AFTER_ISBN)
    if not end or not one_time(value, end):
        return b""
    begin = counters(True, version + 1, quantity, available, lent)
    new = value[AFTER_ISBN:end]
    ends = places(texts, texts + len(new))
    return b"".join((begin, value[end:], ends, wire[FIELDS:texts], new, wire[loans:]))


def _ended(wire: WireRow, numbers: Numbers, user: bytes, value: bytes, copies: int, shelf: int) -> WireRow:
    """The row without the borrower's loan, with so many copies more, and so many more on the shelf."""
    _, version, quantity, available, lent, _, loans = numbers
    if (at := _place(wire, user, loans)) < 0:
        return b""
    begin = counters(True, version + 1, quantity + copies, available + shelf, lent - 1)
    return b"".join((begin, value[-6:], wire[AFTER_DATE:at], wire[at + len(user) + TIMES_BYTES :]))


def _place(wire: WireRow, user: bytes, loans: int) -> int:
    """Where the borrower's loan begins; -1: there is none. ``loans``: where the first one begins."""
    if not has_its_length(user):
        return -1
    at = wire.find(user, loans)
    # A later loan begins behind a time, whose last byte alone is below 0x80
    while at > loans and not (at > loans + TIMES_BYTES and wire[at - 1] < 0x80 <= wire[at - 2]):
        at = wire.find(user, at + 1)
    return at


STEPS: Mapping[str, tuple[str, Step]] = {
    "BookBorrowed": ("isbn user_id timestamp due_at", _borrowed),
    "BookReturned": ("isbn user_id timestamp", _returned),
    "CopiesAdded": ("isbn quantity timestamp", _copies_added),
    "CopiesWithdrawn": ("isbn quantity reason user_id timestamp", _withdrawn),
    "LoanRenewed": ("isbn user_id timestamp due_at", _renewed),
    "DetailsCorrected": ("isbn title author timestamp", _corrected),
}
"""By type of event: the fields that it has to have, and its step."""
