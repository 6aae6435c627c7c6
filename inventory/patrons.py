"""Commands about borrowers, in stores that keep their names apart. They belong to no title."""

from typing import Literal, TypeAlias

from msgspec import Struct


class _PatronCommand(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    user_id: str


class AddPatron(_PatronCommand, frozen=True, tag=True):
    """Register a borrower; the first loan does it, too."""


class ForgetPatron(_PatronCommand, frozen=True, tag=True):
    """Forget a borrower with nothing on loan; ``when_returned``: at the last return."""

    when_returned: bool = False


class KeepPatron(_PatronCommand, frozen=True, tag=True):
    """Take back that a borrower is to be forgotten at the last return."""


PatronCommand: TypeAlias = AddPatron | ForgetPatron | KeepPatron


class PatronState(Struct, frozen=True):
    """How a borrower is in the names after a command, without the user id.

    ``state``: ``registered``; ``closing``: to be forgotten at the last return; ``forgotten``, at
    ``forgotten_at`` (ms since 1970, UTC); ``open_loans``: not forgotten, because these titles are on loan;
    ``unknown``: nobody has this user id.
    """

    state: Literal["registered", "closing", "forgotten", "open_loans", "unknown"]
    patron: str = ""
    """The token."""
    forgotten_at: int = 0
    isbns: tuple[str, ...] = ()
