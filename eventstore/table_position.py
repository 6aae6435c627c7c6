"""How far a table has come, as its changelog records it after each batch."""

from msgspec import Struct

from eventstore.avro import Codec, Registry

POSITION_KEY = b"__position__"
"""The changelog key of a partition's TablePosition. No row may have it."""


class TablePosition(Struct, frozen=True):
    """Every event of ``source`` (cluster and topic id) before offset ``next`` is in the partition's rows."""

    source: str
    next: int


REGISTRY = Registry("eventstore", (TablePosition,))
CODEC = Codec(REGISTRY)
