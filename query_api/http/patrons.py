"""The names of borrowers in answers: tokens on the inside, names on the outside."""

import asyncio
from collections.abc import Collection, Sequence

from foundation.http.problem import Problem
from query_api.documents import EventDocument, LoanDocument
from schemas.names_view import NamesUnknown, NamesView
from schemas.patrons import is_token
from schemas.times import rfc3339

TIMEOUT_S = 5.0
"""For reading names that were written just before."""


class Patrons:
    """Translates tokens of borrowers on the way out, and names on the way in.

    Without ``names``, and in a store without their topic, everything stays as it is: there a borrower's id is
    in events and rows. No answer shows a name as forgotten that was only not read yet: a token that the view
    does not know makes it read to its end first. Names are recorded before the first loan.
    """

    def __init__(self, names: NamesView | None = None) -> None:
        self.names = names

    @property
    def ready(self) -> bool:
        """Whether the names were read to their end once, or there are none."""
        return self.names is None or self.names.ready

    @property
    def trouble(self) -> str | None:
        """Why names of new borrowers, and erasures, can't be read; None while they can."""
        return None if self.names is None or not self.names.exists else self.names.trouble

    async def name_loans(self, loans: list[LoanDocument]) -> list[LoanDocument]:
        """The loans with the borrowers' names. Raises Problem 503."""
        names = await self._names_of({loan.user_id for loan in loans if loan.user_id is not None})
        if names is None:
            return loans
        return [_named(loan, names) for loan in loans]

    async def name_events(self, events: Sequence[EventDocument]) -> None:
        """Put the borrowers' names into the documents' data. Raises Problem 503."""
        await self.name_data([event.data for event in events])

    async def name_data(self, many: Sequence[dict[str, object]]) -> None:
        """Put the borrowers' names into the data of events, beside their tokens. Raises Problem 503."""
        names = await self._names_of({str(data["user_id"]) for data in many if "user_id" in data})
        if names is None:
            return
        for data in many:
            user = data.get("user_id")
            if isinstance(user, str) and (name := names.user_of(user)) != user:
                data["user_id"], data["patron"] = name, user

    async def borrower(self, user_id: str | None, patron: str | None) -> str | None:
        """The borrower in a filter, as rows have it: None for no filter, "" for nobody at all.

        Raises Problem: 400 for a ``patron`` in a store without names, 503.
        """
        names = self.names
        if patron is not None:
            await self.require(patron, 400)
            if user_id is None:
                return patron
        if user_id is None or names is None:
            return user_id
        if names.exists is not False and (not names.ready or names.token_of(user_id) is None):
            await self._catch_up(names, ())
        found = names.token_of(user_id)
        return "" if found is None or patron not in (None, found) else found

    async def require(self, token: str, without_names: int = 404) -> NamesView:
        """The names, read far enough to know ``token``.

        Raises Problem: 400, 503, and with the status ``without_names`` in a store that has none.
        """
        if not is_token(token):
            raise Problem(400, "bad_patron", "a patron is a token: p~ and 16 characters")
        names = self.names
        if names is not None and names.exists is not True:
            await self._catch_up(names, ())
        if names is None or not names.exists:
            raise Problem(
                without_names,
                "no_names",
                "this store has the user ids of borrowers in its events, and no tokens",
            )
        if names.unresolved([token]):
            await self._catch_up(names, [token])
        return names

    async def name_of(self, token: str) -> str:
        """The name of a patron. Raises Problem 400, 404, 503."""
        names = await self.require(token)
        user_id = names.user_of(token)
        if user_id is not None:
            return user_id
        if (at := names.directory.forgotten.get(token)) is not None:
            when = rfc3339(at)
            raise Problem(404, "forgotten", f"the patron was forgotten on {when}", forgotten_at=when)
        raise Problem(404, "unknown_patron", "no patron has this token")

    async def _names_of(self, users: Collection[str]) -> NamesView | None:
        """The names, read far enough to know ``users``; None: the ids are what they are."""
        names = self.names
        if names is None or not users:
            return None
        if names.unresolved(users):
            await self._catch_up(names, users)
        return names if names.exists else None

    async def _catch_up(self, names: NamesView, users: Collection[str]) -> None:
        try:
            await asyncio.to_thread(names.catch_up, TIMEOUT_S, users)
        except NamesUnknown as error:
            raise Problem(503, "not_ready", f"{error}: try again", headers={"Retry-After": "1"}) from error


def _named(loan: LoanDocument, names: NamesView) -> LoanDocument:
    borrower = loan.user_id
    if borrower is None or (name := names.user_of(borrower)) == borrower:
        return loan
    return LoanDocument(loan.isbn, loan.title, name, loan.borrowed_at, loan.due_at, loan.overdue, borrower)
