"""A row kept as the bytes it is stored as, and the common events applied to it without decoding either.

In Avro a BookBorrowed after its ISBN is, byte for byte, the Loan that its row gets, and a BookAdded begins as
its row does; so most events are folded by moving slices. What is not exactly of the expected form is refused
here and takes the plain way (``inventory.projection``). Both ways give the same bytes, which tests hold up
against each other.
"""

import re
from collections.abc import Callable
from functools import cache

from schemas.codec import newest
from schemas.row import InventoryRow

_BODY = 5
"""Where Avro begins, behind the frame with the schema's id."""
_AFTER_ISBN = _BODY + 1 + 13
_TIME = rb"[\x80-\xff]{5}[\x01-\x7f]"
"""A time in ms as a zigzag varint of 6 bytes: the middle of 1970 to the autumn of 2039."""
_one_time = re.compile(_TIME).fullmatch
_two_times = re.compile(_TIME + _TIME).fullmatch
_LONGEST_USER = 63
"""Bytes; a longer text's length takes more than one."""


class WireRow:
    """A title that is in the inventory and not held."""

    __slots__ = ("available", "following", "head", "isbn", "loans", "quantity", "updated_at", "version")

    def __init__(
        self, isbn: bytes, head: bytes, quantity: int, available: int, version: int, updated_at: bytes
    ) -> None:
        self.isbn = isbn
        self.head = head
        """ISBN, title and author."""
        self.quantity = quantity
        self.available = available
        self.loans: dict[bytes, bytes] = {}
        """By borrower; both with the length in front, as encoded."""
        self.version = version
        self.updated_at = updated_at
        self.following = b"%b/%d" % (isbn, version + 1)
        """The key of the one event that can be next."""

    @classmethod
    def of(cls, row: InventoryRow) -> "WireRow | None":
        """The row in this form; None for one that has to go the plain way."""
        if row.removed or row.held is not None or not _knows_the_contract():
            return None
        isbn, updated_at = row.isbn.encode(), _varint(row.updated_at)
        wire = cls(isbn, _head(row), row.quantity, row.available, row.version, updated_at)
        for loan in row.loans:
            user, times = _text(loan.user_id), _varint(loan.borrowed_at) + _varint(loan.due_at)
            if not _two_times(times) or len(user) > 1 + _LONGEST_USER or not user.isascii():
                return None
            wire.loans[user] = user + times
        return wire if len(wire.loans) == len(row.loans) else None

    @classmethod
    def added(cls, isbn: bytes, value: bytes) -> "WireRow | None":
        """The row after the title's first event; None: that goes the plain way."""
        if value[:6] != _ADDED or value[6:_AFTER_ISBN] != isbn or not _knows_the_contract():
            return None
        end = _after_text(value, _after_text(value, _AFTER_ISBN))
        quantity, times = _number(value, end)
        if quantity < 0 or not _one_time(value, times):
            return None
        head = _frame("InventoryRow") + value[_BODY:end]
        return cls(isbn, head, quantity, quantity, 1, value[times:])

    def apply(self, value: bytes) -> bool:
        """Fold in the event of key ``following``; False: it goes the plain way, and nothing was changed."""
        step = _STEPS.get(value[:6])
        if step is None or value[6:_AFTER_ISBN] != self.isbn or not step(self, value):
            return False
        self.version += 1
        self.following = b"%b/%d" % (self.isbn, self.version + 1)
        return True

    def encoded(self) -> bytes:
        """The row as ``schemas.codec.encode`` writes it."""
        loans = self.loans
        return b"".join(
            (
                self.head, _varint(self.quantity), _varint(self.available),
                *((_varint(len(loans)), *loans.values()) if loans else ()),
                b"\0\0\0", _varint(self.version), self.updated_at,
            )
        )  # fmt: skip

    def _borrowed(self, value: bytes) -> bool:
        end = _after_user(value)
        user = value[_AFTER_ISBN:end]
        if not end or user in self.loans or self.available < 1 or not _two_times(value, end):
            return False
        self.loans[user] = value[_AFTER_ISBN:]
        self.available -= 1
        self.updated_at = value[end : end + 6]
        return True

    def _returned(self, value: bytes) -> bool:
        end = _after_user(value)
        user = value[_AFTER_ISBN:end]
        if not end or user not in self.loans or not _one_time(value, end):
            return False
        del self.loans[user]
        self.available += 1
        self.updated_at = value[end:]
        return True

    def _renewed(self, value: bytes) -> bool:
        end = _after_user(value)
        user = value[_AFTER_ISBN:end]
        if not end or user not in self.loans or not _two_times(value, end):
            return False
        self.loans[user] = self.loans[user][:-6] + value[-6:]
        self.updated_at = value[end : end + 6]
        return True

    def _copies_added(self, value: bytes) -> bool:
        more, times = _number(value, _AFTER_ISBN)
        if more < 0 or not _one_time(value, times):
            return False
        self.quantity += more
        self.available += more
        self.updated_at = value[times:]
        return True

    def _corrected(self, value: bytes) -> bool:
        end = _after_text(value, _after_text(value, _AFTER_ISBN))
        if not end or not _one_time(value, end):
            return False
        self.head = self.head[:_BODY] + value[_BODY:end]
        self.updated_at = value[end:]
        return True


_ADDED = b"\0\0\0\0\x01\x1a"
"""The frame with the schema's id, and the length of the ISBN that follows."""
_STEPS: dict[bytes, Callable[[WireRow, bytes], bool]] = {
    b"\0\0\0\0\x02\x1a": WireRow._borrowed,
    b"\0\0\0\0\x03\x1a": WireRow._returned,
    b"\0\0\0\0\x05\x1a": WireRow._copies_added,
    b"\0\0\0\0\x07\x1a": WireRow._renewed,
    b"\0\0\0\0\x08\x1a": WireRow._corrected,
}
_CONTRACT = {
    "BookAdded": (1, "isbn title author quantity timestamp"),
    "BookBorrowed": (2, "isbn user_id timestamp due_at"),
    "BookReturned": (3, "isbn user_id timestamp"),
    "CopiesAdded": (5, "isbn quantity timestamp"),
    "LoanRenewed": (7, "isbn user_id timestamp due_at"),
    "DetailsCorrected": (8, "isbn title author timestamp"),
    "InventoryRow": (
        100,
        "isbn title author quantity available loans removed held version updated_at",
    ),
}


@cache
def _knows_the_contract() -> bool:
    """Whether the schemas are those this module was written for; with newer ones all goes the plain way."""
    return all(
        newest(name).id == number
        and [field["name"] for field in newest(name).parsed["fields"]] == fields.split()
        for name, (number, fields) in _CONTRACT.items()
    )


@cache
def _frame(subject: str) -> bytes:
    return b"\0" + newest(subject).id.to_bytes(4, "big")


def _head(row: InventoryRow) -> bytes:
    return _frame("InventoryRow") + _text(row.isbn) + _text(row.title) + _text(row.author)


def _after_user(value: bytes) -> int:
    """Where the borrower's text behind the ISBN ends; 0: it is long, or not plain ASCII."""
    length = value[_AFTER_ISBN] if len(value) > _AFTER_ISBN else 1
    end = _AFTER_ISBN + 1 + (length >> 1)
    return 0 if length & 1 or length > 2 * _LONGEST_USER or not value[_AFTER_ISBN:end].isascii() else end


def _after_text(value: bytes, at: int) -> int:
    """Where the text at ``at`` ends; 0: it is broken, or ``at`` is 0 already."""
    length, start = _number(value, at)
    end = start + length
    if not at or length < 0:
        return 0
    try:
        value[start:end].decode()
    except UnicodeDecodeError:
        return 0
    return end


def _number(value: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` if it is 0 to 8,191 in the fewest bytes, and where it ends; -1: something else."""
    here = value[at : at + 2]
    if here and here[0] < 0x80:
        return (-1, at) if here[0] & 1 else (here[0] >> 1, at + 1)
    if len(here) < 2 or here[0] & 1 or not 0 < here[1] < 0x80:
        return -1, at
    return (here[0] & 0x7F | here[1] << 7) >> 1, at + 2


def _text(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    if zigzag < 0x80:
        return _SMALL[zigzag]
    out = bytearray()
    while zigzag >= 0x80:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


_SMALL = [bytes([number]) for number in range(0x80)]
