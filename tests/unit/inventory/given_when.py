"""Given these commands, when this one comes, then that is decided."""

from inventory.commands import Command, checked
from inventory.rules import UNKNOWN, Decision, Rejection, Title, decide, evolve
from schemas.events import Event

NOW = 1_700_000_000_000
DUE = NOW + 21 * 24 * 3600 * 1000


def given(*commands: Command) -> Title:
    """The title after commands that must all be accepted."""
    title = UNKNOWN
    for command in commands:
        decided = when(title, command)
        assert not isinstance(decided, Rejection), decided
        for event in decided:
            title = evolve(title, event)
    return title


def when(title: Title, command: Command, at: int = NOW, due_at: int = DUE) -> Decision:
    """What is decided about a command as a user would type it."""
    return decide(title, checked(command), at, due_at)


def code(decision: Decision) -> str:
    """The code of what must be a rejection."""
    assert isinstance(decision, Rejection), decision
    assert decision.message
    return decision.code


def only(decision: Decision) -> Event:
    """The one event of what must be accepted."""
    assert not isinstance(decision, Rejection), decision
    (event,) = decision
    return event
