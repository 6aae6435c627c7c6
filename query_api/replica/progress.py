"""The progress of a replica, and when it is ready. Pure values; the follower publishes new ones."""

from msgspec import Struct

from eventstore.positions import format_positions

FOREIGN = -1
"""In place of a table's position. No event is included then, and the partition is never settled."""


class Ends(Struct, frozen=True):
    """Next offsets of both topics, by partition, when the process started."""

    rows: tuple[int, ...]
    events: tuple[int, ...]


class Progress(Struct, frozen=True):
    """Next offsets by partition: of the changelog (``rows``), the event store (``history``), and the table.

    Every event before ``table`` is in the rows, as the position records say. A replay writes low positions
    again while newer rows are in the changelog, and a new replica can't know whether compaction kept all of
    those. Therefore ``table`` follows the position records up and down until the partition is ``settled``:
    both topics were read to their ends at the start, and the table is at the event store's end at the start.
    From then on it never falls. FOREIGN: the rows were made from another event store.
    """

    rows: tuple[int, ...]
    history: tuple[int, ...]
    table: tuple[int, ...]
    settled: tuple[bool, ...]
    ready: bool = False
    """In this process, every partition caught up with both topics' ends at the start."""

    @classmethod
    def none(cls, partitions: int) -> "Progress":
        """The progress of an empty replica."""
        zeros = (0,) * partitions
        return cls(zeros, zeros, zeros, (False,) * partitions)

    @property
    def complete(self) -> bool:
        """Whether the replica once caught up: it may answer, perhaps with old rows."""
        return all(self.settled)

    @property
    def foreign(self) -> bool:
        """Whether rows were made from another event store: they may not be shown."""
        return FOREIGN in self.table

    def has(self, needs: dict[int, int]) -> bool:
        """Whether rows and history include these offsets, by partition."""
        return all(
            self.settled[p] and self.table[p] > offset and self.history[p] > offset
            for p, offset in needs.items()
        )

    def offsets(self) -> dict[int, int]:
        """The last included offset by partition; -1 where nothing was read."""
        return {p: min(max(table, 0), self.history[p]) - 1 for p, table in enumerate(self.table)}

    def history_offsets(self) -> dict[int, int]:
        """The last offset read of the event store, by partition; -1 where nothing was read."""
        return {p: following - 1 for p, following in enumerate(self.history)}

    def __str__(self) -> str:
        return format_positions(self.offsets())


class Draft:
    """The progress after a batch of records."""

    def __init__(self, before: Progress) -> None:
        self._before = before
        self.rows, self.history = list(before.rows), list(before.history)
        self.table, self.settled = list(before.table), list(before.settled)

    def row_read(self, partition: int, following: int) -> None:
        """The changelog was read up to ``following``."""
        self.rows[partition] = max(self.rows[partition], following)

    def event_read(self, partition: int, following: int) -> None:
        """The event store was read up to ``following``."""
        self.history[partition] = max(self.history[partition], following)

    def table_at(self, partition: int, following: int) -> None:
        """A position record says that every event before ``following`` is in the rows."""
        before = self.table[partition]
        self.table[partition] = max(before, following) if self.settled[partition] else following

    def done(self, ends: Ends | None) -> Progress:
        """The progress once the batch is stored; ``ends`` is None until Kafka has reported them."""
        ready = self._before.ready
        if ends is not None and not ready:
            # FOREIGN is below the end of an empty event store, too
            reached = [
                read >= ends.rows[p] and min(self.table[p], self.history[p]) >= ends.events[p]
                for p, read in enumerate(self.rows)
            ]
            self.settled = [was or now for was, now in zip(self.settled, reached, strict=True)]
            ready = all(reached)
        return Progress(tuple(self.rows), tuple(self.history), tuple(self.table), tuple(self.settled), ready)
