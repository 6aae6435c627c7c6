"""Looks for events whose command digest was computed with a user id: it can be guessed from the digest."""

from collections.abc import Iterator
from typing import Any

from eventstore.headers import DIGEST, read_headers
from eventstore.keys import BadKey
from eventstore.state.outcomes import digest
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.commands import BorrowBook, Command, RenewLoan, ReturnBook, WithdrawCopies
from library.store.traces_of_user import Trace, every_record
from schemas.codec import Undecodable
from schemas.events import BookBorrowed, BookReturned, CopiesWithdrawn, Event, LoanRenewed
from schemas.records import recorded


def traces_in_digests(settings: Settings, token: str, user_id: str) -> Iterator[Trace]:
    """The events of ``token`` with the digest of a command that names ``user_id``.

    Records that can't be read as events are passed over. Raises as ``every_record``.
    """
    topic = events_topic(settings)
    for message in every_record(settings, topic):
        try:
            event = recorded(message).event
        except (BadKey, Undecodable):
            continue
        headers: Any = message.headers()
        if getattr(event, "user_id", None) == token:
            command = command_of(event, user_id)
            if command is not None and read_headers(headers).get(DIGEST) == digest(command):
                place = f"{topic} {message.partition()}:{message.offset()}"
                yield Trace(place, "the digest of its command was computed with it")


def command_of(event: Event, user_id: str) -> Command | None:
    """The command that led to the event, had it named ``user_id``."""
    match event:
        case BookBorrowed():
            return BorrowBook(event.isbn, user_id)
        case BookReturned():
            return ReturnBook(event.isbn, user_id)
        case LoanRenewed():
            return RenewLoan(event.isbn, user_id)
        case CopiesWithdrawn():
            return WithdrawCopies(event.isbn, event.quantity, event.reason, user_id)
        case _:
            return None
