"""What travels from Kafka to the table: everything that one fetch brought of one partition."""

from collections.abc import Iterable
from typing import TypeAlias

from faust.types import TP

Record: TypeAlias = tuple[int, bytes | None, bytes | None]
"""Offset, key, value: what is needed of a Kafka record; the headers are dropped where it is read."""


class Batch(list[Record]):
    """The committed records of ``tp`` in [begin, next).

    There may be none: aborted records and transaction markers move the offset too. ``done`` is set by the
    table when everything in it is stored; only then may the group's offset pass it.
    """

    __slots__ = ("begin", "done", "next", "tp")

    def __init__(self, records: Iterable[Record], tp: TP, begin: int, following: int) -> None:
        super().__init__(records)
        self.tp = tp
        self.begin = begin
        self.next = following
        self.done = False

    def end_before(self, offset: int) -> None:
        """Leave out the record at ``offset`` and everything behind it."""
        while self and self[-1][0] >= offset:
            self.pop()
        self.next = offset
