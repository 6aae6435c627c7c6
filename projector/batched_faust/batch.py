"""A batch: all records that one fetch returned of one partition, on their way to the table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    # Faust takes half a second to import; folds are also used without it
    from faust.types import TP

Record: TypeAlias = tuple[int, bytes | None, bytes | None]
"""Offset, key and value of a Kafka record. The consumer drops the headers."""


class Traced(NamedTuple):
    """A record with a trace; ``fetched_ns``: when it was taken from the fetch, in ns since 1970."""

    offset: int
    traceparent: str
    fetched_ns: int


class Batch(list[Record]):
    """The committed records of ``tp`` in [begin, next).

    It may be empty: aborted records and transaction markers advance the offset too. The table sets ``done``
    when everything is stored. Only then may the group's offset pass the batch.
    """

    __slots__ = ("begin", "done", "next", "tp", "traced")

    def __init__(self, records: Iterable[Record], tp: "TP", begin: int, following: int) -> None:
        super().__init__(records)
        self.tp = tp
        self.begin = begin
        self.next = following
        self.done = False
        self.traced: list[Traced] = []
        """Those of the records that have a trace, in a process that traces."""

    def end_before(self, offset: int) -> None:
        """Drop the record at ``offset`` and all after it."""
        while self and self[-1][0] >= offset:
            self.pop()
        self.next = offset
