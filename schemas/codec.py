"""The codec of everything this contract holds: events, rows, names and the engine's table positions."""

from eventstore.avro import Codec, Registry, Schema, SchemaMismatch, Undecodable, UnknownSchema
from eventstore.table_position import REGISTRY as ENGINE
from schemas import events
from schemas.patrons import PatronForgotten, PatronName
from schemas.row import Held, InventoryRow, Loan

CODEC = Codec(
    Registry("schemas", (*events.TYPES, PatronName, PatronForgotten, InventoryRow, Loan, Held)), ENGINE
)

encode = CODEC.encode
decode = CODEC.decode
newest = CODEC.newest
type_name = CODEC.type_name

__all__ = [
    "CODEC",
    "Schema",
    "SchemaMismatch",
    "Undecodable",
    "UnknownSchema",
    "decode",
    "encode",
    "newest",
    "type_name",
]
