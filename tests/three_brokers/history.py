"""Compares the calls of clients and their outcomes with the event store: was each answer right?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from eventstore.state.outcomes import Accepted, Outcome, Refused
from inventory.commands import Command
from inventory.rules import UNKNOWN, Rejection, Title, decide, evolve
from schemas.records import Recorded


class Call(Struct):
    """One command with its outcome. ``called`` and ``answered`` are seconds on one clock."""

    command_id: str
    command: Command
    called: float
    answered: float = float("inf")
    outcome: Outcome | None = None


def violations(events: Iterable[Recorded], history: Sequence[Call]) -> list[str]:
    """A sentence for each contradiction."""
    titles: dict[str, list[Recorded]] = defaultdict(list)
    for event in events:
        titles[event.event.isbn].append(event)
    calls: dict[str, list[Call]] = defaultdict(list)
    for each in history:
        calls[each.command.isbn].append(each)
    return [bad for isbn in calls | titles for bad in _of_title(titles[isbn], calls[isbn])]


def _of_title(events: Sequence[Recorded], calls: Sequence[Call]) -> Iterator[str]:
    by_id = {each.command_id: each for each in calls}
    states = [UNKNOWN]
    for event in events:
        here = f"{event.event.isbn}/{event.version}"
        if event.version != len(states):
            yield f"{here} follows version {len(states) - 1}"
        if (cause := by_id.get(event.command_id)) is None:
            yield f"{here} belongs to no command"
        elif decide(states[-1], cause.command, event.event.timestamp, _due(event)) != (event.event,):
            yield f"{here} is not what {cause.command} leads to after {states[-1]}"
        states.append(evolve(states[-1], event.event))
    written: dict[str, list[int]] = defaultdict(list)
    for event in events:
        written[event.command_id].append(event.version)
    for each in calls:
        yield from _of_answer(each, written[each.command_id])
    causes = [by_id.get(event.command_id) for event in events]
    yield from _out_of_order(causes)
    for each in calls:
        if isinstance(each.outcome, Refused) and not _justified(each, states, causes):
            yield f"{each} was refused, though no state of its time forbids it"


def _of_answer(call: Call, versions: Sequence[int]) -> Iterator[str]:
    match call.outcome:
        case Accepted(receipt=receipt):
            if [appended.version for appended in receipt.events] != versions:
                yield f"{call} was accepted, the event store has versions {versions} of it"
        case Refused():
            if versions:
                yield f"{call} was refused, the event store has versions {versions} of it"
        case other:
            yield f"{call} has no answer: {other}"


def _out_of_order(causes: Sequence[Call | None]) -> Iterator[str]:
    """A call that began after another one was answered comes after it."""
    latest: Call | None = None
    for cause in causes:
        if cause is None:
            continue
        if latest is not None and cause.answered < latest.called:
            yield f"{cause} was answered before {latest} was called, and follows it in the log"
        if latest is None or cause.called > latest.called:
            latest = cause


def _justified(call: Call, states: Sequence[Title], causes: Sequence[Call | None]) -> bool:
    """Whether a state that may have been the newest at some moment of the call forbids the command."""
    for version, state in enumerate(states):
        begun = causes[version - 1] if version else None
        ended = causes[version] if version < len(causes) else None
        may_have_begun = begun is None or begun.called <= call.answered
        may_have_lasted = ended is None or ended.answered >= call.called
        if may_have_begun and may_have_lasted and isinstance(decide(state, call.command, 0, 0), Rejection):
            return True
    return False


def _due(event: Recorded) -> int:
    return getattr(event.event, "due_at", 0)
