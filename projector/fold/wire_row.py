"""A row as the bytes it is stored as. Common events are applied to it without decoding either.

In Avro, a BookBorrowed after its ISBN is byte for byte the Loan that its row gets, and a BookAdded starts as
its row does. Most events are therefore folded by moving slices, and a stored row is taken apart by slices
when the first event of its title comes: two to three times the rate (``make bench-fold``).
Anything that is not exactly of the expected form is rejected here and takes the slow path,
``inventory.projection``. ``tests/unit/projector/test_wire_row.py`` compares both ways byte by byte; it has
to pass without this module before the module may go. See ``docs/decisions/0013``.

The fast path follows from the schemas: fields that a newer row has after ``updated_at`` are carried along as
bytes. At its first use it is compared with the slow path on a title's whole life
(``inventory.domain.GOLDEN``). An event for which the two differ takes the slow path, and a warning says so.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from inventory.domain import GOLDEN
from inventory.row_fold import fold
from projector.fold.wire_bytes import (
    AFTER_ISBN,
    BODY,
    MAX_USER_BYTES,
    TIMES_BYTES,
    after_text,
    after_two_texts,
    has_its_length,
    loan_at,
    number,
    one_loan,
    one_time,
    text,
    time_at,
    two_times,
    user_and_time,
    varint,
)
from schemas.codec import encode, newest
from schemas.events import BookAdded
from schemas.row import InventoryRow

_ISBN_LENGTH = b"\x1a"
_SUFFIXES = [b"/%d" % version for version in range(4_096)]
"""The ends of keys by version: to look one up takes a tenth of the time that it takes to make one."""

_log = logging.getLogger(__name__)


class WireRow:
    """A title that is in the inventory and not held."""

    steps: "ClassVar[Mapping[bytes, Step]]" = MappingProxyType({})
    """By frame and ISBN length; ``fast_path`` sets it before the first row is made."""

    __slots__ = (
        "available", "changed", "head", "lent", "loans", "quantity", "tail", "updated_at", "version",
    )  # fmt: skip

    def __init__(
        self,
        head: bytes,
        quantity: int,
        available: int,
        version: int,
        updated_at: bytes,
        tail: bytes,
    ) -> None:
        self.head = head
        """Frame, ISBN, title and author."""
        self.quantity = quantity
        self.available = available
        self.lent = 0
        """The number of loans."""
        self.loans = b""
        """The encoded loans, one after the other. A dict of them would take most of a row's memory."""
        self.version = version
        self.updated_at = updated_at
        self.changed = False
        """Whether the fold knows that the row is to be written."""
        self.tail = tail
        """Fields of a newer schema, after ``updated_at``."""

    @classmethod
    def of(cls, row: InventoryRow, data: bytes | None = None) -> "WireRow | None":
        """The row in this form; None if it has to take the slow path.

        ``data`` is the encoded row, if the caller has it.
        """
        # After a damaged BookAdded the shelf can be negative: only the plain fold refuses what keeps it so.
        # A damaged version would count from the end of _SUFFIXES
        if row.removed or row.held is not None or min(row.available, row.version) < 0 or not fast_path().row:
            return None
        wire = _wire(row)
        if wire is None:
            return None
        data, prefix = data or encode(row), wire.encoded()
        if not data.startswith(prefix):
            return None
        wire.tail = data[len(prefix) :]
        return wire

    @classmethod
    def stored(cls, isbn: bytes, data: bytes) -> "WireRow | None":
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
        row = cls(data[:end], quantity, available, version, time[0], path.new_tail)
        row.lent, row.loans = count, loans
        return row

    @classmethod
    def added(cls, isbn: bytes, value: bytes) -> "WireRow | None":
        """The row after the title's first event; None if that has to take the slow path."""
        path = fast_path()
        if value[:6] != path.added or value[6:AFTER_ISBN] != isbn:
            return None
        return _added(value, path.row, path.new_tail)

    def apply(self, isbn: bytes, key: bytes, value: bytes) -> bool:
        """Fold in the event with this key, which begins with ``isbn``, the row's.

        False: nothing changed. It is not the next event of the title, or has to take the slow path.
        """
        version = self.version + 1
        if key[13:] != (_SUFFIXES[version] if version < len(_SUFFIXES) else b"/%d" % version):
            return False
        step = self.steps.get(value[:6])
        if step is None or value[6:AFTER_ISBN] != isbn or not step(self, value):
            return False
        self.version = version
        return True

    def encoded(self) -> bytes:
        """The row as ``schemas.codec.encode`` writes it."""
        return b"".join(
            (
                self.head, varint(self.quantity), varint(self.available),
                *((varint(self.lent), self.loans) if self.lent else ()),
                b"\0\0\0", varint(self.version), self.updated_at, self.tail,
            )
        )  # fmt: skip

    def _borrowed(self, value: bytes) -> bool:
        loan = one_loan(value, AFTER_ISBN)
        if loan is None or self.available < 1:
            return False
        user = loan[1]
        # The bytes may also stand within other loans: then the slow path lends the copy
        if not has_its_length(user) or user in self.loans:
            return False
        self.loans += loan[0]
        self.lent += 1
        self.available -= 1
        self.updated_at = value[-12:-6]
        return True

    def _returned(self, value: bytes) -> bool:
        found = user_and_time(value, AFTER_ISBN)
        if found is None or not self._take_back(found[1]):
            return False
        self.available += 1
        self.updated_at = value[-6:]
        return True

    def _renewed(self, value: bytes) -> bool:
        found = one_loan(value, AFTER_ISBN)
        if found is None or (at := self._place(found[1])) < 0:
            return False
        end = at + len(found[1]) + TIMES_BYTES
        self.loans = self.loans[: end - 6] + value[-6:] + self.loans[end:]
        self.updated_at = value[-12:-6]
        return True

    def _copies_added(self, value: bytes) -> bool:
        more, times = number(value, AFTER_ISBN)
        if more < 0 or not one_time(value, times):
            return False
        self.quantity += more
        self.available += more
        self.updated_at = value[times:]
        return True

    def _withdrawn(self, value: bytes) -> bool:
        copies, reason = number(value, AFTER_ISBN)
        user_type = after_text(value, reason)
        if copies < 0 or not user_type:
            return False
        if value[user_type : user_type + 1] == b"\2":
            lost = user_and_time(value, user_type + 1)
            if lost is None or self.quantity < 1 or not self._take_back(lost[1]):
                return False
            self.quantity -= 1
        elif (
            value[user_type : user_type + 1] == b"\0"
            and copies <= min(self.available, self.quantity)
            and one_time(value, user_type + 1)
        ):
            self.quantity -= copies
            self.available -= copies
        else:
            return False
        self.updated_at = value[-6:]
        return True

    def _corrected(self, value: bytes) -> bool:
        end = after_two_texts(value, AFTER_ISBN)
        if not end or not one_time(value, end):
            return False
        self.head = self.head[:BODY] + value[BODY:end]
        self.updated_at = value[end:]
        return True

    def _take_back(self, user: bytes) -> bool:
        """Remove the borrower's loan. False: there is none."""
        at = self._place(user)
        if at < 0:
            return False
        self.loans = self.loans[:at] + self.loans[at + len(user) + TIMES_BYTES :]
        self.lent -= 1
        return True

    def _place(self, user: bytes) -> int:
        """Where the borrower's loan begins; -1: there is none."""
        if not has_its_length(user):
            return -1
        loans = self.loans
        at = loans.find(user)
        # A loan begins behind a time, whose last byte alone is below 0x80. With at 1 the loop takes the very
        # last byte for the second one: it is below, too
        while at > 0 and not loans[at - 1] < 0x80 <= loans[at - 2]:
            at = loans.find(user, at + 1)
        return at


Step = Callable[[WireRow, bytes], bool]

_STEPS: Mapping[str, tuple[str, Step]] = {
    "BookBorrowed": ("isbn user_id timestamp due_at", WireRow._borrowed),
    "BookReturned": ("isbn user_id timestamp", WireRow._returned),
    "CopiesAdded": ("isbn quantity timestamp", WireRow._copies_added),
    "CopiesWithdrawn": ("isbn quantity reason user_id timestamp", WireRow._withdrawn),
    "LoanRenewed": ("isbn user_id timestamp due_at", WireRow._renewed),
    "DetailsCorrected": ("isbn title author timestamp", WireRow._corrected),
}
"""The events of the fast path, with the fields that each has."""
_ADDED = "isbn title author quantity timestamp"
_ROW = "isbn title author quantity available loans removed held version updated_at"
_LOAN = "user_id borrowed_at due_at"


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
    for name, (fields, step) in _STEPS.items():
        if _has_fields(name, fields) and _agrees(name, step):
            steps[_start(name)] = step
        else:
            slow.append(name)
    tail = _new_tail() if _has_fields("BookAdded", _ADDED) else None
    if tail is None:
        slow.append("BookAdded")
    if slow:
        _log.warning("no fast path, so a fifth of the speed, for events of type %s", ", ".join(slow))
    WireRow.steps = steps
    return FastPath(_start("InventoryRow"), b"" if tail is None else _start("BookAdded"), tail or b"")


def _agrees(name: str, step: Step) -> bool:
    """Whether the step gives the same row as the fold for every golden event of this type."""
    row: InventoryRow | None = None
    for version, event in enumerate(GOLDEN, 1):
        before, row = row, fold(row, version, event)
        if type(event).__name__ != name or before is None:
            continue
        wire, value = _wire(before), encode(event)
        if wire is None:
            return False
        wire.tail = encode(before)[len(wire.encoded()) :]
        if not step(wire, value):
            return False
        wire.version += 1
        if wire.encoded() != encode(row):
            return False
    return True


def _new_tail() -> bytes | None:
    """The later fields of a row after its BookAdded; None if they depend on the event."""
    tails = set()
    for event in GOLDEN:
        if isinstance(event, BookAdded):
            wire, row = _added(encode(event), _start("InventoryRow"), b""), encode(fold(None, 1, event))
            if wire is None or not row.startswith(wire.encoded()):
                return None
            tails.add(row[len(wire.encoded()) :])
    return tails.pop() if len(tails) == 1 else None


def _added(value: bytes, row: bytes, tail: bytes) -> WireRow | None:
    """The row that begins with ``row`` after a BookAdded; None if that has to take the slow path."""
    end = after_two_texts(value, AFTER_ISBN)
    quantity, times = number(value, end)
    if quantity < 0 or not one_time(value, times):
        return None
    head = row + value[BODY + 1 : end]
    return WireRow(head, quantity, quantity, 1, value[times:], tail)


def _wire(row: InventoryRow) -> WireRow | None:
    """The row without the fields of a newer schema; None if its form is not exactly the expected one."""
    head = _frame("InventoryRow") + text(row.isbn) + text(row.title) + text(row.author)
    updated_at = varint(row.updated_at)
    wire = WireRow(head, row.quantity, row.available, row.version, updated_at, b"")
    users, loans = set(), list[bytes]()
    for loan in row.loans:
        user, times = text(loan.user_id), varint(loan.borrowed_at) + varint(loan.due_at)
        if not two_times(times) or len(user) > 1 + MAX_USER_BYTES or not user.isascii():
            return None
        users.add(user)
        loans.append(user + times)
    wire.lent, wire.loans = len(loans), b"".join(loans)
    return wire if len(users) == len(loans) else None


def _has_fields(subject: str, fields: str) -> bool:
    return [field["name"] for field in newest(subject).parsed["fields"]] == fields.split()


def _start(subject: str) -> bytes:
    """The first bytes of an event or a row: its frame, and the length of the ISBN that follows."""
    return _frame(subject) + _ISBN_LENGTH


@cache
def _frame(subject: str) -> bytes:
    return b"\0" + newest(subject).id.to_bytes(4, "big")
