"""How far a replica has come, and when it may say so. Pure values; the follower publishes new ones."""

from msgspec import Struct

from eventstore.positions import format_positions


class Ends(Struct, frozen=True):
    """Next offsets of both topics, by partition, when the process started."""

    rows: tuple[int, ...]
    events: tuple[int, ...]


class Progress(Struct, frozen=True):
    """Next offsets by partition: of the changelog (``rows``), the event store (``history``), and the table.

    ``table`` is what the position records say: every event before it is in the rows. In the middle of a
    replay they start low again while rows that they do not speak of are newer, and a replica that was not
    there before can't know whether compaction left all of those. So ``table`` follows the position records
    until the partition is ``settled``: read to the changelog's end as it was at the start, and the table at
    the event store's end as it was then. After that it never falls.
    """

    rows: tuple[int, ...]
    history: tuple[int, ...]
    table: tuple[int, ...]
    settled: tuple[bool, ...]
    ready: bool = False
    """All of it happened in this process's life, for every partition and also for the history."""

    @classmethod
    def none(cls, partitions: int) -> "Progress":
        """Of an empty replica."""
        zeros = (0,) * partitions
        return cls(zeros, zeros, zeros, (False,) * partitions)

    @property
    def complete(self) -> bool:
        """Whether the replica once had everything, so that it may answer."""
        return all(self.settled)

    def has(self, needs: dict[int, int]) -> bool:
        """Whether rows and history include these positions (offsets by partition)."""
        return all(
            self.settled[p] and self.table[p] > offset and self.history[p] > offset
            for p, offset in needs.items()
        )

    def offsets(self) -> dict[int, int]:
        """The position by partition, offset included; -1 where there is nothing."""
        return {p: min(table, self.history[p]) - 1 for p, table in enumerate(self.table)}

    def __str__(self) -> str:
        return format_positions(self.offsets())


class Draft:
    """The progress that a batch of records leads to."""

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
        known = self.table[partition]
        self.table[partition] = max(known, following) if self.settled[partition] else following

    def done(self, ends: Ends | None) -> Progress:
        """The progress once the batch is stored; ``ends`` is None while Kafka could not tell them."""
        ready = self._before.ready
        if ends is not None and not ready:
            reached = [
                read >= ends.rows[p] and self.table[p] >= ends.events[p] for p, read in enumerate(self.rows)
            ]
            self.settled = [was or now for was, now in zip(self.settled, reached, strict=True)]
            ready = all(reached) and all(read >= ends.events[p] for p, read in enumerate(self.history))
        return Progress(tuple(self.rows), tuple(self.history), tuple(self.table), tuple(self.settled), ready)
