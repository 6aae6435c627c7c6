"""The boundary of a domain: how callers name things, and how commands and events do."""

from collections.abc import Sequence
from typing import Protocol

from eventstore.append.deadline import Deadline
from eventstore.state.outcomes import Outcome, Submitted


class Boundary(Protocol):
    """Translates commands before a writer looks up their ids and decides them, and its answers afterwards.

    The writer calls all but ``refresh`` with its partition claimed. It starts over after a ClaimLost.
    """

    def refresh(self, deadline: Deadline) -> None:
        """Learn what has changed. Called after each claim, and once before: that delays nobody."""

    def inward(self, submitted: Sequence[Submitted], deadline: Deadline) -> Sequence[Submitted]:
        """The commands as the domain's rules and events name things."""

    def settled(self, inner: Sequence[Submitted], outcomes: Sequence[Outcome], deadline: Deadline) -> bool:
        """Make the names that the accepted commands introduce last, before any event has them.

        False if that gave one of them another name: the commands are to be translated and decided again.
        """

    def outward(self, inner: Sequence[Submitted], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes as callers name things; they are certain by now."""
