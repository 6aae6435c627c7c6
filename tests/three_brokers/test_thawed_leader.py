"""A leader that was frozen and thaws answers old: no decision may rest on that, whatever random chaos finds.

Each case is run with the writer as it is and with one that lacks the check in question. The latter must do
the harm: else the case would prove nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from eventstore.append.deadline import Deadline
from eventstore.append.writer import Writer
from eventstore.errors import ClaimLost
from eventstore.state.outcomes import Accepted, Outcome, Refused
from foundation.settings import Settings
from inventory.commands import BorrowBook, ReturnBook
from producer.writers import decider_of
from tests.three_brokers.cluster import Cluster
from tests.three_brokers.thawed_leader import ISBN, NewWriter, StaleLeader, outcome_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TRIES = 6
"""The window is some milliseconds; a machine that stands still for a moment can miss it."""


class Trusting(Writer):
    """Does not look where its records were delivered."""

    def _deliver(self, state, records, deadline: Deadline) -> None:
        self.fence.deliver(records, deadline)


class Asking(Writer):
    """Proves a refusal by asking for the log's end, as is right with one broker."""

    def _prove(self, deadline: Deadline) -> None:
        if not self.catch_up.unchanged(self._current_state(), deadline):
            raise ClaimLost("something was written since the log was read")


@contextmanager
def yesterday(cluster: Cluster, new_writer: NewWriter) -> Iterator[StaleLeader]:
    scene = StaleLeader(cluster, new_writer)
    try:
        yield scene
    finally:
        scene.close()


def appended(cluster: Cluster, writer: type[Writer]) -> tuple[Outcome, list[int]]:
    """What becomes of a return that only the state of yesterday allows, and the versions in the log then."""
    scene: list[StaleLeader] = []

    def reached(step: str) -> None:
        if step == "claimed" and scene:
            scene[0].thaw()

    def thawing(settings: Settings, partition: int) -> Writer:
        return writer(
            settings,
            partition,
            decider_of(settings),
            reached=reached,
        )

    with yesterday(cluster, thawing) as now:
        now.stale.fence.lose()
        now.stale.fence.prepare(Deadline(10))
        # The first claim succeeds, and the read follows while the broker is frozen
        now.stale.fence._claim_timeout_s = 2.0
        scene.append(now)
        outcome = outcome_of(now.stale, ReturnBook(ISBN, "ann"))
        return outcome, [event.version for event in now.events()]


def refused(cluster: Cluster, writer: type[Writer]) -> Outcome:
    """What becomes of a loan that only the state of yesterday forbids."""
    with yesterday(cluster, lambda settings, p: writer(settings, p, decider_of(settings))) as now:
        now.thaw()
        return outcome_of(now.stale, BorrowBook(ISBN, "dee"))


def test_no_event_is_appended_on_a_stale_leaders_state(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "eventstore.append.owner")
    for _ in range(TRIES):
        outcome, versions = appended(cluster, Writer)
        assert isinstance(outcome, Refused)
        assert versions == [1, 2, 3, 4, 5, 6, 7]
        if "the log was not read to its end" in caplog.text:
            return
        cluster.heal()
    pytest.fail(f"the old leader never answered: {caplog.text}")


def test_without_the_offset_check_a_stale_event_is_appended(cluster: Cluster) -> None:
    for _ in range(TRIES):
        outcome, versions = appended(cluster, Trusting)
        if isinstance(outcome, Accepted):
            assert versions == [1, 2, 3, 4, 5, 6, 7, 3]
            return
        cluster.heal()
    pytest.fail("the old leader never answered, so the case proves nothing")


def test_no_command_is_refused_on_a_stale_leaders_state(cluster: Cluster) -> None:
    assert isinstance(refused(cluster, Writer), Accepted)


def test_without_the_probe_a_command_is_refused_on_stale_state(cluster: Cluster) -> None:
    for _ in range(TRIES):
        if isinstance(refused(cluster, Asking), Refused):
            return
        cluster.heal()
    pytest.fail("the old leader never answered, so the case proves nothing")
