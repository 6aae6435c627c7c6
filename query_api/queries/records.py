"""One event whole, as the event store has it."""

from typing import Any

from confluent_kafka import Message
from msgspec import UNSET

from eventstore.avro import schema_id
from eventstore.headers import ACTOR, COMMAND_ID, read_headers
from eventstore.keys import BadKey
from query_api.documents import Header, Record, SchemaReference
from schemas.codec import CODEC, Undecodable, type_name
from schemas.event_json import event_data
from schemas.records import EVENTS, event_of, parse_title_key
from schemas.times import rfc3339

UNKNOWN = "unknown"
"""The type of an event whose schema this release does not know."""


def record_document(message: Message) -> Record:
    """The document of a record. One that can't be decoded has ``error`` and its bytes."""
    key, value = message.key(), message.value()
    headers: Any = message.headers() or ()
    isbn = version = error = time = None
    kind, data, by_name = _type(value), {}, read_headers(headers)
    try:
        isbn, version = parse_title_key(key)
        event = event_of(isbn, value)
        data, time = event_data(event), rfc3339(event.timestamp)
    except (BadKey, Undecodable) as problem:
        error = str(problem)
    return Record(
        position=f"{message.partition()}:{message.offset()}",
        key=(key or b"").decode(errors="replace"),
        recorded_at=rfc3339(message.timestamp()[1]),
        isbn=isbn,
        version=version,
        type=kind,
        time=time,
        command_id=by_name.get(COMMAND_ID, ""),
        actor=by_name.get(ACTOR, ""),
        data=data,
        headers=[
            Header(name, None if text is None else text.decode(errors="replace")) for name, text in headers
        ],
        schema=_schema(value),
        value=None if value is None else value.hex(),
        error=UNSET if error is None else error,
    )


def _type(value: bytes | None) -> str:
    try:
        return type_name(value)
    except Undecodable:
        return UNKNOWN


def _schema(value: bytes | None) -> SchemaReference | None:
    number = schema_id(value)
    if number is None:
        return None
    schema = CODEC.schemas.get(number)
    if schema is None:
        return SchemaReference(number, None, None)
    return SchemaReference(number, f"{EVENTS.name}.{schema.subject}", schema.version)
