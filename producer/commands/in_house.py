"""``add --no-isbn``: an in-house number for what has none."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from producer.commands.submission import SubmitOptions, outcome_of, told

if TYPE_CHECKING:
    from eventstore.state.outcomes import Outcome
    from foundation.settings import Settings
    from inventory.commands import AddBook

_NUMBERS = 10**11
_TRIES = 10


def add_in_house(settings: "Settings", titled: Callable[[str], "AddBook"], asked: SubmitOptions) -> int:
    """Add what ``titled`` makes of an in-house number.

    The number comes from the command id, so that a retry means the same title. In the rare case that another
    title has it, the next one made of the id is tried; a retry comes by the same way to the same number.
    """
    for attempt in range(_TRIES):
        outcome = outcome_of(settings, titled(number_of(asked.command_id, attempt)), asked)
        if not _taken(outcome):
            break
    return told(settings, outcome, asked)


def number_of(command_id: str, attempt: int) -> str:
    """The EAN-13 of the in-house range that the id gives."""
    from inventory.isbn import in_house

    text = hashlib.sha256(f"{attempt}/{command_id}".encode(errors="replace")).hexdigest()
    return in_house(int(text, 16) % _NUMBERS)


def _taken(outcome: "Outcome") -> bool:
    """Whether another command has added a title with this number, a different one or an equal one."""
    from eventstore.state.outcomes import Accepted, Refused

    if isinstance(outcome, Refused):
        return outcome.rejection.code == "already_added"
    return isinstance(outcome, Accepted) and not outcome.receipt.events and not outcome.replayed
