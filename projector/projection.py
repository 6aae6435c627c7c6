"""A projection: a table folded from the event store, with its own consumer group and changelog."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from eventstore.topics import Table
from projector.batched_faust.batch import Record

Read: TypeAlias = Callable[[bytes], bytes | None]
"""Reads the stored row of a key."""


class BadRecord(NamedTuple):
    """A record that stops its partition: nobody can say which rows it would have changed."""

    offset: int
    reason: Exception


class DamagedRow(Exception):
    """A stored row can't be decoded, or is another key's. All rows of the partition are recomputed."""

    def __init__(self, key: bytes, reason: object) -> None:
        self.key = key
        super().__init__(
            f"the stored row of {key.decode(errors='backslashreplace')} is damaged, so all rows of its "
            f"partition are recomputed from the first event: {reason}"
        )


class Discontinuous(Exception):
    """An event does not follow the stream's row: another program wrote an event twice, or events are missing.

    Only the whole log shows which: ``Projection.recompute``.
    """

    def __init__(self, stream: str, offset: int, reason: object) -> None:
        self.stream, self.offset = stream, offset
        super().__init__(str(reason))


class Rows(Protocol):
    """Rows by key, each encoded when its turn comes: all of them at once may take much memory."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[bytes, bytes]]: ...


class Fold(Protocol):
    """Folds the batches of one partition, in order."""

    def add(self, records: Sequence[Record]) -> BadRecord | None:
        """Fold the records in, up to a bad one. May raise DamagedRow and Discontinuous.

        After Discontinuous the records before its offset are in, and after ``replace`` the fold continues.
        """

    def replace(self, stream: bytes, row: bytes) -> None:
        """Continue with this row of the stream, which then counts as changed."""

    def take(self) -> Rows:
        """The rows that changed since the last call, each in its last state. Look at them before ``add``."""

    @property
    def memory(self) -> int:
        """At most about so many bytes of memory hold the rows used since the last ``forget``."""

    @property
    def unwritten(self) -> int:
        """At most about so many bytes would be returned by ``take``."""

    def measure(self, enough: float = inf) -> None:
        """Count ``memory`` and ``unwritten`` anew: they grow with each event, even if the rows do not.

        It need not count if the rows certainly take more than ``enough`` bytes of memory.
        """

    def forget(self) -> None:
        """Forget the rows that were not used since the last call. Call it after ``take``."""

    def forget_older(self) -> None:
        """Forget those that were not used since the last ``forget``, too."""


class RowCodec(Protocol):
    """Encodes and decodes rows; ``eventstore.avro.Codec`` is one."""

    def encode(self, value: Struct) -> bytes: ...  # noqa: D102
    def decode(self, data: bytes | None) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Projection:
    """``table`` names the consumer group and the changelog; ``fold`` makes the fold of one partition.

    ``codec`` decodes the rows; its ``decode`` raises ``eventstore.avro.Undecodable``.

    The worker may fold an event again, after a crash or a replay. A fold must give the same rows then, and
    start rows anew when the first event of a row comes again. ``projector.fold.keyed_fold`` does that for any
    pure function.
    """

    table: Table
    fold: Callable[[Read], Fold]
    codec: RowCodec
    recompute: Callable[[str, Iterable[Record]], bytes | None] | None = None
    """The row of a stream from all records of its partition; None: the fold never raises Discontinuous."""


class NoProjection(ValueError):
    """The name leads to no Projection; the message names the fault."""


def load_projection(name: str) -> Projection:
    """The projection at ``module:attribute``, also of a module in this folder. Raises NoProjection."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise NoProjection(
            f"{name!r} is not MODULE:NAME, for example examples.patron_loans.projection:PROJECTION"
        )
    if (folder := str(Path.cwd())) not in sys.path:
        # An installed program searches only the installed packages
        sys.path.append(folder)
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise NoProjection(f"the projection {name!r} can't be loaded: {error}") from error
    if not isinstance(found, Projection):
        raise NoProjection(f"{name!r} is a {type(found).__name__}, not a Projection")
    return found
