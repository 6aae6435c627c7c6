"""The events of a backup with tokens in place of user ids, and the proof that no user id is left."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import asdict, replace

from eventstore.append.deadline import Deadline
from eventstore.avro import Undecodable
from eventstore.headers import DIGEST
from eventstore.state.outcomes import digest
from foundation.settings import Settings
from inventory.commands import BorrowBook, RenewLoan, ReturnBook, WithdrawCopies
from library.store.backup_file import TOKENS, Header, Record
from library.store.writer_signatures import without_signature
from producer.names.names import Names
from schemas.codec import encode
from schemas.directory import Directory
from schemas.events import BookBorrowed, BookReturned, CopiesWithdrawn, Event, LoanRenewed
from schemas.patrons import is_token, new_token
from schemas.records import event_of, parse_title_key

REGISTERED_TOGETHER = 1000
_WORD = re.compile(r"[^\s,;:()<>\"'/]+")


class CannotPseudonymise(Exception):
    """The backup can't be restored with tokens; the message says why."""


def user_ids(source: Iterable[Record]) -> set[str]:
    """The borrowers in the events. Raises CannotPseudonymise."""
    found = {user_id for record in source if (user_id := _user_id(_event(record))) is not None}
    if tokens := [user_id for user_id in found if is_token(user_id)]:
        raise CannotPseudonymise(
            f"its events have tokens already, for example {tokens[0]}: restore it as it is"
        )
    return found


class FirstBorrower:
    """The first borrower of some events: the others have a token, too, or a user id, too."""

    has_token: bool | None = None
    """False: a user id; None: no event had a borrower."""

    def look(self, header: Header, record: Record) -> None:
        """Look at the next record of a backup, unless the header says it."""
        if header.borrowers == TOKENS:
            self.has_token = True
        elif header.kind is UNSET:
            self.look_at(record)

    def look_at(self, record: Record) -> None:
        """Look at the next event. One that can't be read says nothing: it is restored as it is."""
        if self.has_token is None:
            with suppress(CannotPseudonymise):
                user_id = _user_id(_event(record))
                self.has_token = None if user_id is None else is_token(user_id)


def holds_tokens(source: Iterable[Record]) -> bool:
    """Whether the events are of a store that keeps the names of borrowers apart."""
    first = FirstBorrower()
    for record in source:
        first.look_at(record)
        if first.has_token is not None:
            break
    return bool(first.has_token)


def register(settings: Settings, found: Iterable[str]) -> Directory:
    """Give each borrower a token, unless an interrupted restore has done so. Raises ClaimLost."""
    names = Names(settings)
    try:
        names.refresh(Deadline(settings.deadline))
        new = [user_id for user_id in found if names.directory.token_of(user_id) is None]
        for first in range(0, len(new), REGISTERED_TOGETHER):
            tokens = {user_id: new_token() for user_id in new[first : first + REGISTERED_TOGETHER]}
            names.register(tokens, Deadline(settings.deadline))
        return names.directory
    finally:
        names.close()


def with_tokens(source: Iterable[Record], directory: Directory) -> Iterator[Record]:
    """The same events with tokens. Raises CannotPseudonymise.

    The digest of a command is made anew: with the user id it would give that away. A repeat of a command
    whose digest can't be explained by its event is answered with 422 afterwards. Signatures of writers are
    left out: they are of the events as they were.
    """
    for signed in source:
        record = without_signature(signed)
        event = _event(record)
        user_id = _user_id(event)
        token = None if user_id is None else directory.token_of(user_id)
        if user_id is None or token is None:
            yield record
            continue
        given = dict(record.headers).get(DIGEST)
        made = _digest(event, token, given).encode()
        headers = [(name, made if name == DIGEST else value) for name, value in record.headers]
        named: Any = event
        value = encode(replace(named, user_id=token))
        yield replace(record, value=value, headers=headers)


class Left(Struct):
    """What a look at the new store has found: events, and by place how many hold a user id."""

    events: int = 0
    places: Counter[str] = Counter()


def look_for(found: Set[str], stored: Iterable[Record]) -> Left:
    """Where user ids are left: as a borrower, or as a text of callers, or a word in one."""
    left = Left(places=Counter())
    for record in stored:
        left.events += 1
        event = _event(record)
        user_id = _user_id(event)
        if user_id is not None and not is_token(user_id):
            left.places["borrower"] += 1
        texts = [(name, value) for name, value in asdict(event).items() if isinstance(value, str)]
        texts += [(name, (value or b"").decode(errors="replace")) for name, value in record.headers]
        for name, text in texts:
            if text in found or any(word in found for word in _WORD.findall(text)):
                left.places[name] += 1
    return left


def _event(record: Record) -> Event:
    try:
        return event_of(parse_title_key(record.key)[0], record.value)
    except (ValueError, Undecodable) as error:
        raise CannotPseudonymise(
            f"the event at {record.partition}:{record.offset} can't be read, and may name a borrower: {error}"
        ) from error


def _user_id(event: Event) -> str | None:
    return getattr(event, "user_id", None)


def _digest(event: Event, token: str, given: bytes | None) -> str:
    commands = _commands(event)
    same = next((one for one in commands if digest(one).encode() == given), commands[0])
    return digest(same if same.user_id is None else replace(same, user_id=token))


def _commands(event: Event) -> "list[BorrowBook | RenewLoan | ReturnBook | WithdrawCopies]":
    """The commands that can have led to the event."""
    match event:
        case BookBorrowed():
            return [BorrowBook(event.isbn, event.user_id)]
        case LoanRenewed():
            return [RenewLoan(event.isbn, event.user_id)]
        case BookReturned():
            return [ReturnBook(event.isbn, event.user_id), ReturnBook(event.isbn)]
        case CopiesWithdrawn():
            return [WithdrawCopies(event.isbn, event.quantity, event.reason, event.user_id)]
        case _:
            raise CannotPseudonymise(f"a {type(event).__name__} with a borrower is new here: upgrade")
