"""A receipt as callers see it, in JSON: of the gateway, and of the command line."""

from msgspec import Struct

from eventstore.state.outcomes import Appended, Receipt


class ReceiptDocument(Struct, frozen=True):
    """Proof of an accepted command: its events, and the position ``partition:offset`` of the last one.

    A receipt without events means that the inventory was already as the command wants it. Its position is
    then the last offset that the decision is based on. ``actor`` says who did it; it is empty where nobody
    was named, or where nothing was done.
    """

    command_id: str
    isbn: str
    events: tuple[Appended, ...]
    position: str
    actor: str = ""

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptDocument":
        """The engine's receipt as a document."""
        return cls(receipt.command_id, receipt.stream, receipt.events, receipt.position, receipt.actor)

    def receipt(self) -> Receipt:
        """The document as the engine's receipt."""
        return Receipt(self.command_id, self.isbn, self.events, self.position, self.actor)
