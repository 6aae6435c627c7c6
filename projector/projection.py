"""A projection: a table folded from the event store, with its own consumer group and changelog."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple, Protocol, TypeAlias

from eventstore.topics import Table
from projector.batched_faust.batch import Record

Read: TypeAlias = Callable[[bytes], bytes | None]
"""Reads the stored row of a key."""


class BadRecord(NamedTuple):
    """A record that stops its partition: nobody can say which rows it would have changed."""

    offset: int
    reason: Exception


class Fold(Protocol):
    """Folds the batches of one partition, in order."""

    def add(self, records: Sequence[Record]) -> BadRecord | None:
        """Fold the records in, up to a bad one."""

    def take(self) -> dict[bytes, bytes]:
        """The rows that changed since the last call, by key, encoded, each in its last state."""


@dataclass(frozen=True)
class Projection:
    """``table`` names the consumer group and the changelog; ``fold`` makes the fold of one partition.

    The worker may fold an event again, after a crash or a replay. A fold must give the same rows then, and
    start rows anew when the first event of a row comes again. ``projector.fold.keyed_fold`` does that for any
    pure function.
    """

    table: Table
    fold: Callable[[Read], Fold]


class NoProjection(ValueError):
    """The name leads to no Projection; the message says what is wrong."""


def load_projection(name: str) -> Projection:
    """The projection at ``module:attribute``. Raises NoProjection."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise NoProjection(
            f"{name!r} is not MODULE:NAME, for example examples.patron_loans.projection:PROJECTION"
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise NoProjection(f"the projection {name!r} can't be loaded: {error}") from error
    if not isinstance(found, Projection):
        raise NoProjection(f"{name!r} is a {type(found).__name__}, not a Projection")
    return found
