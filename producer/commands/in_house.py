"""``add --no-isbn``: an in-house number for a title that has none."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from producer.commands.submission import SubmitOptions, report, submit_checked

if TYPE_CHECKING:
    from eventstore.state.outcomes import Outcome
    from foundation.settings import Settings
    from inventory.commands import AddBook

_NUMBERS = 10**11
_ATTEMPTS = 10


def add_in_house(settings: "Settings", add_as: Callable[[str], "AddBook"], options: SubmitOptions) -> int:
    """Submit the command that ``add_as`` makes for an in-house number, and report its outcome.

    The number is derived from the command id: a retry adds the same title. In the rare case that another
    title has the number, the next number derived from the id is tried, in the same order on each retry.
    """
    for attempt in range(_ATTEMPTS):
        outcome = submit_checked(settings, add_as(number_of(options.command_id, attempt)), options)
        if not _taken(outcome):
            break
    return report(settings, outcome, options)


def number_of(command_id: str, attempt: int) -> str:
    """The EAN-13 of the in-house range that the id gives in this attempt."""
    from inventory.isbn import in_house

    text = hashlib.sha256(f"{attempt}/{command_id}".encode(errors="replace")).hexdigest()
    return in_house(int(text, 16) % _NUMBERS)


def _taken(outcome: "Outcome") -> bool:
    """Whether another command added a title with this number, with other details or the same."""
    from eventstore.state.outcomes import Accepted, Refused

    if isinstance(outcome, Refused):
        return outcome.rejection.code == "already_added"
    return isinstance(outcome, Accepted) and not outcome.receipt.events and not outcome.replayed
