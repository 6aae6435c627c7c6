"""How far a table has come, as its changelog records it after each batch."""

from msgspec import Struct

from eventstore.avro import Codec, Registry, Undecodable

POSITION_KEY = b"__position__"
"""The changelog key of a partition's TablePosition. No row may have it."""


class TablePosition(Struct, frozen=True):
    """Every event of ``source`` (cluster and topic id) before offset ``next`` is in the partition's rows."""

    source: str
    next: int


REGISTRY = Registry("eventstore", (TablePosition,))
CODEC = Codec(REGISTRY)


class PositionTrack(Struct):
    """The position of a partition of a table, as its changelog is read."""

    position: TablePosition | None = None
    highest: int = 0
    """The highest ``next`` that was read."""

    @property
    def next(self) -> int:
        """The event store offset that the table will read next."""
        return 0 if self.position is None else self.position.next

    @property
    def replaying(self) -> bool:
        """Whether the table reads events again that it has had before."""
        return self.next < self.highest

    def move(self, value: bytes | None) -> None:
        """Take a position record. An unreadable one makes the projector read all events again."""
        try:
            position: TablePosition = CODEC.decode(value)
        except Undecodable:
            self.position = None
            return
        self.position, self.highest = position, max(self.highest, position.next)
