"""Compare the table of any projection with its events, folded by the projection itself."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from eventstore.avro import Undecodable
from inventory.row_difference import differing
from library.checks.comparison import Checked, compare
from projector.projection import Projection

if TYPE_CHECKING:
    from foundation.settings import Settings

BATCH_EVENTS = 2_000


class RowDifference(Struct, frozen=True, omit_defaults=True):
    """A row that differs from its events; None where it does not exist.

    ``damage`` says why the stored row can't be decoded.
    """

    key: str
    expected: dict[str, Any] | None
    found: dict[str, Any] | None
    damage: str = ""

    @property
    def summary(self) -> str:
        """The fields that differ, without their values: they may name borrowers."""
        if self.expected is None:
            return "no events produce this row"
        if self.damage:
            return f"the row can't be read: {self.damage}"
        if self.found is None:
            return "the row is missing"
        return f"differs in {', '.join(differing(self.expected, self.found))}"


class BadEvent(Exception):
    """The projection can't fold a record of the event store: its workers stop there, too."""


def check_projection(
    settings: "Settings",
    projection: Projection,
    source: str,
    ends: dict[int, int],
    report: Callable[[int], None],
) -> Iterator[Checked[RowDifference]]:
    """Compare every partition of the projection's table, as ``compare`` does. Raises also BadEvent."""

    def begun(partition: int, _: int, __: Callable[[float], None]) -> _Comparison:
        return _Comparison(partition, projection)

    return compare(settings, projection.table, source, ends, begun, report)


class _Comparison:
    """The rows of one partition, folded from an empty table, beside those that the table has."""

    reading = 1.0

    def __init__(self, partition: int, projection: Projection) -> None:
        self._partition, self._codec = partition, projection.codec
        self.rows: dict[bytes, bytes] = {}
        self._folded: dict[bytes, bytes] = {}
        self._fold = projection.fold(self._folded.get)
        self._batch: list[tuple[int, bytes | None, bytes | None]] = []

    def fold(self, message: Message) -> None:
        self._batch.append((message.offset() or 0, message.key(), message.value()))
        if len(self._batch) == BATCH_EVENTS:
            self._fold_batch()

    def checked(self, following: int) -> Checked[RowDifference]:
        self._fold_batch()
        keys = sorted(self._folded.keys() | self.rows.keys())
        differences = [self._difference(key) for key in keys if self._folded.get(key) != self.rows.get(key)]
        # Rows that were encoded under an older schema have other bytes
        differences = [one for one in differences if one.damage or one.expected != one.found]
        return Checked(self._partition, following, len(self._folded), differences)

    def _fold_batch(self) -> None:
        bad = self._fold.add(self._batch)
        self._batch.clear()
        if bad is not None:
            raise BadEvent(
                f"partition {self._partition} can't be folded beyond offset {bad.offset}: {bad.reason}"
            )
        self._folded.update(self._fold.take())
        self._fold.forget()

    def _difference(self, key: bytes) -> RowDifference:
        name, expected = key.decode(errors="backslashreplace"), self._decoded(self._folded.get(key))
        try:
            return RowDifference(name, expected, self._decoded(self.rows.get(key)))
        except Undecodable as error:
            return RowDifference(name, expected, None, str(error))

    def _decoded(self, row: bytes | None) -> dict[str, Any] | None:
        if row is None:
            return None
        members: dict[str, Any] = msgspec.to_builtins(self._codec.decode(row))
        return members
