"""The JSON documents that the routes return, as the OpenAPI document describes them."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.row import InventoryRow
from schemas.times import rfc3339

Isbn = Annotated[str, Meta(pattern=r"^\d{13}$", description="EAN-13 without hyphens.")]
Count = Annotated[int, Meta(ge=0)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, UTC.")]

T = TypeVar("T", bound=Struct)


def published_as(name: str) -> Callable[[type[T]], type[T]]:
    """Name a document in OpenAPI: inside, Title, Loan and Held mean values of other modules."""

    def rename(document: type[T]) -> type[T]:
        # Litestar takes a schema's key from the one and its title from the other
        document.__qualname__ = name
        document.__schema_name__ = name  # type: ignore[attr-defined]
        return document

    return rename


@published_as("Held")
class HeldDocument(Struct, frozen=True):
    """The event that could not be applied; the title stays as it was before it."""

    version: int
    offset: int
    reason: str


@published_as("Title")
class TitleDocument(Struct, frozen=True):
    """A title as of ``version``: ``quantity`` copies owned, ``available`` on the shelf."""

    isbn: Isbn
    title: str
    author: str
    quantity: Count
    available: Count
    on_loan: Count
    version: Count
    updated_at: Time
    held: HeldDocument | UnsetType = UNSET


TITLE_COLUMNS = tuple(
    name for name in TitleDocument.__struct_fields__ if name not in ("version", "updated_at", "held")
)
"""The fields that describe a title: the columns of its tables. Scripts rely on their order."""


class Titles(Struct, frozen=True):
    """A page of the inventory; ``next_cursor`` is null on the last."""

    items: list[TitleDocument]
    next_cursor: str | None


class FieldDifference(Struct, frozen=True):
    """A field's values at both moments; null while the title is not in the inventory."""

    before: str | int | None
    after: str | int | None


class TitleDifference(Struct, frozen=True):
    """A title that differs between two moments, with the fields that differ.

    The versions are those at both moments; 0: the title had no event yet.
    """

    isbn: Isbn
    change: Literal["added", "changed", "removed"]
    from_version: Count
    to_version: Count
    fields: dict[str, FieldDifference]


class Differences(Struct, frozen=True):
    """A page of the titles that differ, by ISBN; ``next_cursor`` is null on the last."""

    items: list[TitleDifference]
    next_cursor: str | None


class Change(Struct, frozen=True):
    """An event, without the patron: the history names patrons."""

    isbn: Isbn
    version: int
    type: str
    time: Time
    position: str


class Changes(Struct, frozen=True):
    """A page of the changes in a range of the past, oldest first; ``next_cursor`` is null on the last."""

    items: list[Change]
    next_cursor: str | None


@published_as("Happened")
class EventDocument(Struct, frozen=True):
    """An event of a title. ``data`` holds its other fields; ``error`` says why it can't be decoded.

    ``command_digest`` is the same for a repeat of the command. ``actor`` says who did it; it is empty where
    nobody was named. In a store that keeps names apart, ``data`` has the borrower's token as ``patron``, and
    its ``user_id`` is null once the borrower was forgotten.
    """

    version: int
    type: str
    time: Time
    command_id: str
    command_digest: str
    actor: str
    position: str
    data: dict[str, Any]
    error: str | UnsetType = UNSET


@published_as("Event")
class ListedEvent(EventDocument, frozen=True, kw_only=True):
    """An event of any title."""

    isbn: Isbn


class Events(Struct, frozen=True):
    """A page of the events of all titles; ``next_cursor`` is null on the last.

    A page of one type of event may be short, or empty, and still have a next page.
    """

    items: list[ListedEvent]
    next_cursor: str | None


class Header(Struct, frozen=True):
    """A header of a record; bytes that are not UTF-8 are replaced in ``value``."""

    name: str
    value: str | None


class SchemaReference(Struct, frozen=True):
    """The schema that a value names; without a name if this release does not know it."""

    id: int
    name: str | None
    version: int | None


class Record(Struct, frozen=True):
    """An event as the event store has it. Members that its key and value lack are null."""

    position: str
    key: str
    recorded_at: Time
    """Kafka's time stamp of the record."""
    isbn: str | None
    version: int | None
    type: str
    time: Time | None
    command_id: str
    actor: str
    data: dict[str, Any]
    headers: list[Header]
    schema: SchemaReference | None
    value: str | None
    """The bytes in hexadecimal; null: there are none."""
    error: str | UnsetType = UNSET
    """Why the record can't be decoded."""


Base64 = Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]


class ProvedEvent(Struct, frozen=True):
    """The event with the bytes ``leaf`` is event ``index`` of its partition, counted from 0.

    ``path`` has the hashes from the leaf up to the root.
    """

    version: Count
    index: Count
    leaf: Base64
    path: list[Base64]


class HistoryProof(Struct, frozen=True):
    """The events that a signed checkpoint covers. The note is the checkpoint, with its signatures."""

    checkpoint: str
    events: list[ProvedEvent]


class History(Struct, frozen=True):
    """A page of a title's events, first to last; ``proof`` on request."""

    isbn: Isbn
    items: list[EventDocument]
    next_cursor: str | None
    proof: HistoryProof | UnsetType = UNSET


@published_as("Checkpoint")
class CheckpointDocument(Struct, frozen=True):
    """The first ``size`` events of a partition have this root; ``note`` is signed and says the same."""

    partition: Count
    origin: str
    size: Count
    root: Base64
    note: str


class Checkpoints(Struct, frozen=True):
    """The newest checkpoint of each partition that has one."""

    items: list[CheckpointDocument]


class Consistency(Struct, frozen=True, rename={"first": "from", "second": "to"}):
    """The proof that the first ``from`` events of the partition begin the first ``to``."""

    partition: Count
    first: Count
    second: Count
    path: list[Base64]


@published_as("Loan")
class LoanDocument(Struct, frozen=True):
    """A copy that is on loan.

    In a store that keeps names apart, ``patron`` is the borrower's token, and ``user_id`` null once the
    borrower was forgotten.
    """

    isbn: Isbn
    title: str
    user_id: str | None
    borrowed_at: Time
    due_at: Time
    overdue: bool
    patron: str | UnsetType = UNSET


class Loans(Struct, frozen=True):
    """A page of open loans, the first due first."""

    items: list[LoanDocument]
    next_cursor: str | None


@published_as("Patron")
class PatronDocument(Struct, frozen=True):
    """A borrower of a store that keeps names apart; ``patron`` is the token in its events."""

    patron: str
    user_id: str
    closing: bool
    """Is being forgotten, after the last return: nothing more is lent."""
    loans: Count
    """Open ones."""


_encode = msgspec.json.Encoder().encode


def title_document(row: InventoryRow) -> TitleDocument:
    """The document that shows ``row``."""
    held = UNSET if row.held is None else HeldDocument(row.held.version, row.held.offset, row.held.reason)
    return TitleDocument(
        isbn=row.isbn,
        title=row.title,
        author=row.author,
        quantity=row.quantity,
        available=row.available,
        on_loan=row.quantity - row.available,
        version=row.version,
        updated_at=rfc3339(row.updated_at),
        held=held,
    )


def json_of(document: Struct) -> bytes:
    """The document's JSON."""
    return _encode(document)


def page_of(bodies: list[bytes], next_cursor: str | None) -> bytes:
    """The JSON of a page, from the JSON of its items."""
    return b'{"items":[' + b",".join(bodies) + b'],"next_cursor":' + _encode(next_cursor) + b"}"
