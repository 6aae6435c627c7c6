"""Strategies for event logs: several titles, times that never decrease."""

from hypothesis import strategies as st

from inventory.rules import UNKNOWN, Rejection, decide, evolve
from schemas.events import Event
from tests.support.command_strategies import commands_for

ISBNS = ["9781593275846", "9781680502992", "9780262033848", "9772049363002", "0012345678905"]
START = 1_700_000_000_000

isbns = st.sampled_from(ISBNS)
users = st.sampled_from(["ann", "bob", "eve"])
names = st.sampled_from(
    ["Elixir in Action", "–", "Saša Jurić", "Die Füße", "日本語の本", "war and peace", ""]
)
titles = names.filter(bool)
commands = commands_for(isbns, titles, names, users)


@st.composite
def event_logs(draw: st.DrawFn, most: int = 60) -> list[Event]:
    """Generate the events of accepted commands."""
    known = dict.fromkeys(ISBNS, UNKNOWN)
    events: list[Event] = []
    at = START
    for command, pause in draw(st.lists(st.tuples(commands, st.integers(0, 3)), max_size=most)):
        at += pause
        decided = decide(known[command.isbn], command, at, at + 1000)
        if not isinstance(decided, Rejection):
            for event in decided:
                known[command.isbn] = evolve(known[command.isbn], event)
                events.append(event)
    return events
