"""The fast path: rows in their ``wire_form``, and common events applied to them without decoding either.

A BookAdded starts as its row does, and a BookBorrowed has the loan that its row gets. Most events are
therefore folded by moving slices, and a stored row is taken apart by slices when the first event of its title
comes: two to three times the rate (``make bench-fold``).
Anything that is not exactly of the expected form is rejected here and takes the slow path,
``inventory.projection``. ``tests/unit/projector/test_wire_row.py`` compares both ways byte by byte; it has
to pass without this module before the module may go. See ``docs/decisions/0013``.

The fast path follows from the schemas: fields that a newer row has after ``updated_at`` are carried along as
bytes. At its first use it is compared with the slow path on a title's whole life
(``inventory.domain.GOLDEN``). An event for which the two differ takes the slow path, and a warning says so.
"""

import logging
from functools import cache
from typing import NamedTuple

from inventory.domain import GOLDEN
from inventory.row_fold import fold
from projector.fold.wire_bytes import AFTER_ISBN, after_two_texts, has_its_length, loan_at, number, time_at
from projector.fold.wire_form import (
    WireRow,
    encoded,
    joined,
    numbers,
    of_added,
    of_row,
    start,
    with_fields,
)
from projector.fold.wire_steps import STEPS, Step
from schemas.codec import encode, newest
from schemas.events import BookAdded
from schemas.row import InventoryRow

_SUFFIXES = [b"/%d" % version for version in range(1, 4_096)]
"""The end of the next event's key, by version: to look one up takes a tenth of the time to make one."""
_ADDED = "isbn title author quantity timestamp"
_ROW = "isbn title author quantity available loans removed held version updated_at"
_LOAN = "user_id borrowed_at due_at"
_steps: dict[bytes, Step] = {}
"""By frame and ISBN length; ``fast_path`` fills it before the first row is made."""

_log = logging.getLogger(__name__)


def of(row: InventoryRow, data: bytes | None = None) -> WireRow | None:
    """The row in its wire form; None if it has to take the slow path. ``data``: the encoded row, if known."""
    if row.removed or row.held is not None or not fast_path().row or (wire := of_row(row)) is None:
        return None
    data, prefix = data or encode(row), encoded(wire, row.isbn.encode())
    return with_fields(wire, data[len(prefix) :]) if data.startswith(prefix) else None


def stored(isbn: bytes, data: bytes) -> WireRow | None:
    """The title's row from the bytes it is stored as; None if they have to be decoded."""
    path = fast_path()
    if data[:6] != path.row or data[6:AFTER_ISBN] != isbn:
        return None
    end = after_two_texts(data, AFTER_ISBN)
    quantity, at = number(data, end)
    available, at = number(data, at)
    count, at = number(data, at)
    loans = b""
    if count > 0:
        begin, users = at, set()
        for _ in range(count):
            loan = loan_at(data, at)
            if loan is None or not has_its_length(loan[1]):
                return None
            users.add(loan[1])
            at = loan.end()
        # A second block, or none
        if data[at : at + 1] != b"\0" or len(users) != count:
            return None
        loans = data[begin:at]
        at += 1
    if min(quantity, available, count) < 0 or data[at : at + 2] != b"\0\0":
        # Removed or held, or damaged
        return None
    version, at = number(data, at + 2)
    time = time_at(data, at)
    # Nothing here can tell whether other values of later fields are damaged
    if version < 1 or time is None or data[at + 6 :] != path.new_tail:
        return None
    wire = joined(version, quantity, available, count, time[0], data[AFTER_ISBN:end], loans)
    return with_fields(wire, path.new_tail)


def added(isbn: bytes, value: bytes) -> WireRow | None:
    """The row after the title's first event; None if that has to take the slow path."""
    path = fast_path()
    if value[:6] != path.added or value[6:AFTER_ISBN] != isbn or (wire := of_added(value)) is None:
        return None
    return with_fields(wire, path.new_tail)


def apply(wire: WireRow, isbn: bytes, key: bytes, value: bytes) -> WireRow:
    """The row after the event with this key, which begins with ``isbn``, the row's; it is to be written.

    Empty: nothing changes. It is not the next event of the title, or has to take the slow path.
    """
    all_numbers = numbers(wire)
    version = all_numbers[1]
    if key[13:] != (_SUFFIXES[version] if version < len(_SUFFIXES) else b"/%d" % (version + 1)):
        return b""
    step = _steps.get(value[:6])
    if step is None or value[6:AFTER_ISBN] != isbn:
        return b""
    return step(wire, all_numbers, value)


class FastPath(NamedTuple):
    """The rows and first events that the fast path handles under the schemas of this process."""

    row: bytes
    """The start of a row; empty: all rows take the slow path."""
    added: bytes
    """The start of a BookAdded; empty: it takes the slow path."""
    new_tail: bytes


_OFF = FastPath(b"", b"", b"")


@cache
def fast_path() -> FastPath:
    """The fast path for the committed schemas, compared with the slow path. Logs a warning for each gap."""
    row = newest("InventoryRow").parsed["fields"]
    names = [field["name"] for field in row]
    loans: list[dict[str, str]] = next(
        (field["type"]["items"]["fields"] for field in row if field["name"] == "loans"), []
    )
    if names[:10] != _ROW.split() or [field["name"] for field in loans] != _LOAN.split():
        _log.warning(
            "the fast path is off, so events are folded at a fifth of the speed: InventoryRow has the fields "
            "%s, not %s followed by others",
            " ".join(names), _ROW,
        )  # fmt: skip
        return _OFF
    slow = []
    steps: dict[bytes, Step] = {}
    for name, (fields, step) in STEPS.items():
        if _has_fields(name, fields) and _agrees(name, step):
            steps[start(name)] = step
        else:
            slow.append(name)
    tail = _new_tail() if _has_fields("BookAdded", _ADDED) else None
    if tail is None:
        slow.append("BookAdded")
    if slow:
        _log.warning("no fast path, so a fifth of the speed, for events of type %s", ", ".join(slow))
    _steps.clear()
    _steps.update(steps)
    return FastPath(start("InventoryRow"), b"" if tail is None else start("BookAdded"), tail or b"")


def _agrees(name: str, step: Step) -> bool:
    """Whether the step gives the same row as the fold for every golden event of this type."""
    row: InventoryRow | None = None
    for version, event in enumerate(GOLDEN, 1):
        before, row = row, fold(row, version, event)
        if type(event).__name__ != name or before is None:
            continue
        wire, value, isbn = of_row(before), encode(event), before.isbn.encode()
        if wire is None:
            return False
        wire = with_fields(wire, encode(before)[len(encoded(wire, isbn)) :])
        after = step(wire, numbers(wire), value)
        if not after or encoded(after, isbn) != encode(row):
            return False
    return True


def _new_tail() -> bytes | None:
    """The later fields of a row after its BookAdded; None if they depend on the event."""
    tails = set()
    for event in GOLDEN:
        if isinstance(event, BookAdded):
            wire, row = of_added(encode(event)), encode(fold(None, 1, event))
            if wire is None or not row.startswith(prefix := encoded(wire, event.isbn.encode())):
                return None
            tails.add(row[len(prefix) :])
    return tails.pop() if len(tails) == 1 else None


def _has_fields(subject: str, fields: str) -> bool:
    return [field["name"] for field in newest(subject).parsed["fields"]] == fields.split()
