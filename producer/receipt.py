"""A receipt as callers see it, in JSON: of the gateway, and of the command line."""

from typing import Literal

from msgspec import Struct

from eventstore.state.outcomes import Appended, Receipt
from inventory.patrons import PatronState
from schemas.times import rfc3339


class ReceiptDocument(Struct, frozen=True):
    """Proof of an accepted command: its events, and the position ``partition:offset`` of the last one.

    A receipt without events means that the inventory was already as the command wants it. Its position is
    then the last offset that the decision is based on. ``actor`` says who did it; it is empty where nobody
    was named, or where nothing was done. ``leaf`` is the hash of the last event's record in hexadecimal, as
    signed checkpoints cover it; it is empty without events.
    """

    command_id: str
    isbn: str
    events: tuple[Appended, ...]
    position: str
    actor: str = ""
    leaf: str = ""

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptDocument":
        """The engine's receipt as a document."""
        return cls(
            receipt.command_id, receipt.stream, receipt.events, receipt.position, receipt.actor, receipt.leaf
        )

    def receipt(self) -> Receipt:
        """The document as the engine's receipt."""
        return Receipt(self.command_id, self.isbn, self.events, self.position, self.actor, self.leaf)


class PatronDocument(Struct, frozen=True):
    """How a borrower is after a command about them. ``patron`` is the token; nothing here names anybody.

    ``closing``: to be forgotten at the last return of the titles ``isbns``. ``unknown``: nobody is registered
    with this user id.
    """

    command_id: str
    state: Literal["registered", "closing", "forgotten", "unknown"]
    patron: str | None = None
    forgotten_at: str | None = None
    """RFC 3339."""
    isbns: tuple[str, ...] = ()

    @classmethod
    def of(cls, command_id: str, state: PatronState) -> "PatronDocument":
        """The result of a command that was not refused."""
        assert state.state != "open_loans"
        at = rfc3339(state.forgotten_at) if state.forgotten_at else None
        return cls(command_id, state.state, state.patron or None, at, state.isbns)
