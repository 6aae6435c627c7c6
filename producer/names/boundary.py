"""Commands name borrowers, rules and events only their tokens: the translation between them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from eventstore.append.deadline import Deadline
from eventstore.decider import Decider
from eventstore.state.outcomes import Accepted, Outcome, Refused, Submitted
from foundation.text import Malformed
from inventory.commands import BorrowBook, Command, RenewLoan, ReturnBook, WithdrawCopies
from inventory.rules import Decision, Rejection, Title
from producer.names.names import Names
from schemas.directory import Directory
from schemas.events import Event
from schemas.patrons import TOKEN_MARK, new_token

_CLOSING_LOANS = (ReturnBook, WithdrawCopies)
_NAMING = frozenset({BorrowBook, RenewLoan, *_CLOSING_LOANS})
"""Commands with a borrower."""
NOBODY = TOKEN_MARK + 16 * "-"
"""Stands for every borrower without a token: no loan has it."""


def require_no_token(command: Any) -> None:
    """Raises Malformed for a user id that looks like a token."""
    user_id = getattr(command, "user_id", None)
    if user_id is not None and user_id.startswith(TOKEN_MARK):
        raise Malformed("user_id", f"a user id does not begin with {TOKEN_MARK}: that marks tokens")


def guarded(decider: Decider[Title, Command, Event], names: Names) -> Decider[Title, Command, Event]:
    """The same rules, but nothing is lent to a borrower who is being forgotten."""

    def decide(title: Title, command: Command, at: int) -> Decision:
        decision: Any = decider.decide(title, command, at)
        if type(command) is BorrowBook and not isinstance(decision, Rejection):
            if command.user_id == NOBODY:
                return Rejection("reserved_user_id", f"a user id does not begin with {TOKEN_MARK}")
            if command.user_id in names.directory.closing:
                return Rejection(
                    "patron_closing",
                    "this borrower is being forgotten, and gets nothing more on loan; "
                    "`library patron keep` takes that back",
                )
        return decision  # type: ignore[no-any-return]

    return dataclasses.replace(decider, decide=decide)


class NamesBoundary:
    """The boundary of one partition's writer; see ``eventstore.append.boundary``.

    A borrower without a token gets one with the first loan, and only if that is accepted: the command is
    decided with a new token, which is registered before the event is appended. ``returned`` gets the token
    of each borrower in ``Directory.closing`` whose loan a command has closed.
    """

    def __init__(self, names: Names, returned: Callable[[str], None]) -> None:
        self._names, self._returned = names, returned
        self._new: dict[str, str] = {}
        """Tokens that are not registered yet, by user id."""

    def refresh(self, deadline: Deadline) -> None:
        """Read the names to their end: whoever is being forgotten by now gets nothing from this writer."""
        self._names.refresh(deadline)

    def inward(self, submitted: Sequence[Submitted], deadline: Deadline) -> Sequence[Submitted]:
        """The commands with tokens in place of user ids."""
        directory = self._names.directory
        inner = [self._inward(one, directory) for one in submitted]
        closing = directory.closing
        if closing and any(
            type(one.command) is BorrowBook and one.command.user_id in closing for one in inner
        ):
            # A refusal must be true now: perhaps the borrower is kept
            self._names.refresh(deadline)
            inner = [self._inward(one, self._names.directory) for one in submitted]
        return inner

    def settled(self, inner: Sequence[Submitted], outcomes: Sequence[Outcome], deadline: Deadline) -> bool:
        """Register the borrowers of accepted first loans. False if one has got another token meanwhile."""
        if not self._new:
            return True
        new, self._new = {token: user_id for user_id, token in self._new.items()}, {}
        lent = {
            new[one.command.user_id]: one.command.user_id
            for one, outcome in zip(inner, outcomes, strict=True)
            if type(one.command) is BorrowBook
            and one.command.user_id in new
            and isinstance(outcome, Accepted)
            and outcome.receipt.events
        }
        return not lent or self._names.register(lent, deadline)

    def outward(self, inner: Sequence[Submitted], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes with user ids in place of tokens."""
        directory = self._names.directory
        if directory.closing:
            for one, outcome in zip(inner, outcomes, strict=True):
                self._note_return(one, outcome, directory)
        return [
            Refused(_named(outcome.rejection, directory))
            if isinstance(outcome, Refused) and isinstance(outcome.rejection, Rejection)
            else outcome
            for outcome in outcomes
        ]

    def _inward(self, one: Submitted, directory: Directory) -> Submitted:
        command = one.command
        kind = type(command)
        if kind not in _NAMING or (user_id := command.user_id) is None:
            return one
        token = directory.token_of(user_id)
        if token is None:
            token = self._token_of_new(user_id, kind)
        # ``replace`` takes three times as long, and this is done for every loan
        named = (
            replace(command, user_id=token) if kind is WithdrawCopies else kind(command.isbn, user_id=token)
        )
        return Submitted(one.command_id, named, one.carried, one.expires_at_ms)

    def _token_of_new(self, user_id: str, kind: type[Command]) -> str:
        if user_id.startswith(TOKEN_MARK):
            return NOBODY
        token = self._new.get(user_id, NOBODY)
        if token == NOBODY and kind is BorrowBook:
            token = self._new[user_id] = new_token()
        return token

    def _note_return(self, one: Submitted, outcome: Outcome, directory: Directory) -> None:
        if isinstance(outcome, Accepted) and outcome.receipt.events and type(one.command) in _CLOSING_LOANS:
            token = getattr(one.command, "user_id", None)
            if token is None or token in directory.closing:
                self._returned(token or "")


def _named(rejection: Rejection, directory: Directory) -> Rejection:
    if not rejection.borrowers:
        return rejection
    users = tuple(sorted(directory.user_of(token) or token for token in rejection.borrowers))
    message = rejection.message.replace(", ".join(rejection.borrowers), ", ".join(users))
    return Rejection(rejection.code, message, users)
