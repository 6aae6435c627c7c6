"""The conditional append against a real broker: what is promised, whoever writes beside it."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from eventstore.append.batch import EXPIRED
from eventstore.append.deadline import Deadline
from eventstore.append.writer import Writer, now_ms
from eventstore.errors import ClaimLost
from eventstore.headers import read_headers
from eventstore.state.outcomes import Accepted, Outcome, Reused, digest
from evidence.leaf import leaf_data, leaf_hash
from foundation.settings import Settings
from inventory.commands import AddBook, AddCopies, BorrowBook, RemoveBook, ReturnBook
from producer.writers import decider_of, writer_of
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    SECONDS,
    accepted,
    command,
    committed_records,
    event_types,
    history,
    refused,
    run,
)
from tests.support.waiting import eventually

NewWriter = Callable[..., Writer]


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    """A system with one partition."""
    return new_settings(partitions=1)


@pytest.fixture
def writer(store: Settings) -> Iterator[NewWriter]:
    """Make writers of that partition."""
    made: list[Writer] = []

    def make(**more: Any) -> Writer:
        made.append(writer_of(store, 0, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_batch_is_one_transaction_and_receipts_name_its_offsets(store: Settings, writer: NewWriter):
    one = writer()
    added, borrowed = run(one, ADD, BorrowBook(ISBN, "ann"))
    assert [accepted(o).receipt.position for o in (added, borrowed)] == ["0:0", "0:1"]
    assert accepted(run(one, ReturnBook(ISBN, "ann"))[0]).receipt.position == "0:3"
    assert event_types(store) == ["BookAdded", "BookBorrowed", "BookReturned"]


def test_an_empty_batch_writes_nothing(store: Settings, writer: NewWriter):
    assert writer().execute([], SECONDS) == []
    assert committed_records(store) == []


def test_a_repeat_gets_the_first_answer_from_any_writer(store: Settings, writer: NewWriter):
    once = command(ADD, "once")
    (first,) = writer().execute([once], SECONDS)
    another = writer()
    (again,) = another.execute([once], SECONDS)
    assert (accepted(first).replayed, accepted(again).replayed) == (False, True)
    assert accepted(again).receipt == accepted(first).receipt
    (record,) = committed_records(store)
    headers: Any = record.headers()
    leaf = leaf_hash(leaf_data(record.timestamp()[1], record.key(), record.value(), headers))
    assert accepted(first).receipt.leaf == leaf.hex()
    run(another, BorrowBook(ISBN, "ann"), ReturnBook(ISBN, "ann"), RemoveBook(ISBN))
    assert writer().execute([once], SECONDS) == [again]
    assert len(committed_records(store)) == 4


def test_the_duration_of_a_transaction_is_known_where_there_was_one(writer: NewWriter):
    one, once = writer(), command(ADD, "once")
    assert one.transaction_s is None
    one.execute([once], SECONDS)
    assert one.transaction_s is not None
    assert 0 < one.transaction_s < SECONDS
    one.execute([once], SECONDS)
    assert one.transaction_s is None


def test_an_id_with_another_payload_is_refused_as_reused(store: Settings, writer: NewWriter):
    one = writer()
    one.execute([command(ADD, "once")], SECONDS)
    assert one.execute([command(BorrowBook(ISBN, "ann"), "once")], SECONDS) == [Reused("once")]
    assert event_types(store) == ["BookAdded"]


def test_a_repeated_refusal_is_decided_again(store: Settings, writer: NewWriter):
    one, borrow = writer(), command(BorrowBook(ISBN, "ann"))
    assert refused(one.execute([borrow], SECONDS)[0]) == "unknown_title"
    run(one, ADD)
    assert not accepted(one.execute([borrow], SECONDS)[0]).replayed


def test_a_refusal_reflects_the_end_of_the_log(writer: NewWriter):
    one, another = writer(), writer()
    run(one, ADD, BorrowBook(ISBN, "ann"))
    run(another, ReturnBook(ISBN, "ann"))
    # The first still believes that it owns the partition, and that the book is on loan
    accepted(run(one, RemoveBook(ISBN))[0])


def test_a_command_that_has_expired_is_not_decided_again_after_a_lost_claim(writer: NewWriter):
    """A frozen writer must not accept later what its caller had another writer refuse meanwhile."""
    now, steps = now_ms(), ["delivered"]
    late = msgspec.structs.replace(command(BorrowBook(ISBN, "ann")), expires_at_ms=now + 1000)

    def frozen(step: str) -> None:
        nonlocal now
        if step in steps:
            steps.clear()
            run(another, ReturnBook(ISBN))
            now += 1000

    one, another = writer(clock=lambda: now, reached=frozen), writer()
    run(another, ADD, BorrowBook(ISBN, "bob"))
    outcomes = one.execute([late, command(AddCopies(ISBN, 1))], SECONDS)
    assert outcomes[0] == EXPIRED
    accepted(outcomes[1])
    assert another.look_up(late.command_id, SECONDS) == []


@pytest.mark.parametrize("ask", ["repeat", "look up"])
def test_an_answer_about_an_expired_attempt_holds_though_it_was_decided_in_time(writer: NewWriter, ask: str):
    """The frozen writer has a later claim than the one that is asked, and has delivered nothing yet."""
    now, steps, answers = now_ms(), ["decided"], list[Any]()
    late = msgspec.structs.replace(command(BorrowBook(ISBN, "ann")), expires_at_ms=now + 1000)

    def frozen(step: str) -> None:
        nonlocal now
        if step in steps:
            steps.clear()
            now += 1000
            again = msgspec.structs.replace(late, expires_at_ms=now + 1000)
            repeat = ask == "repeat"
            answers.append(
                another.execute([again], SECONDS)[0] if repeat else another.look_up(late.command_id, SECONDS)
            )

    one, another = writer(clock=lambda: now, reached=frozen), writer(clock=lambda: now)
    run(another, AddBook(ISBN, "Elixir in Action", "Sasa Juric", 1), BorrowBook(ISBN, "bob"))
    outcomes = one.execute([command(AddCopies(ISBN, 1)), late], SECONDS)
    if ask == "repeat":
        assert refused(answers[0]) == "none_available"
    else:
        assert answers == [[]]
    accepted(outcomes[0])
    assert outcomes[1] == EXPIRED
    assert another.look_up(late.command_id, SECONDS) == []


def test_an_expired_command_that_was_done_before_has_its_receipt(writer: NewWriter):
    one = writer()
    run(one, ADD)
    borrow = command(BorrowBook(ISBN, "ann"))
    first = accepted(one.execute([borrow], SECONDS)[0])
    late = msgspec.structs.replace(borrow, expires_at_ms=now_ms())
    assert accepted(one.execute([late], SECONDS)[0]) == Accepted(first.receipt, replayed=True)


def test_a_writer_that_follows_disturbs_nobody_and_reads_only_the_rest_when_it_claims(
    writer: NewWriter, caplog: pytest.LogCaptureFixture
):
    claims: list[str] = []
    one, standby = writer(reached=claims.append), writer()
    run(one, ADD)
    for _ in range(50):
        standby.follow(SECONDS)
        run(one, AddCopies(ISBN, 1))
    assert claims.count("claimed") == 1

    def has_everything() -> bool:
        # A commit is acknowledged before readers see it
        standby.follow(SECONDS)
        return standby.read_up_to == one.read_up_to

    eventually(has_everything)
    run(one, AddCopies(ISBN, 1))
    with caplog.at_level("DEBUG", "eventstore.append.owner"):
        assert accepted(run(standby, AddCopies(ISBN, 1))[0]).receipt.events[0].version == 53
    # The last event and the end of its transaction
    assert "after reading 2" in caplog.text


def test_what_a_failed_claim_has_read_is_reported_by_the_next_one(
    writer: NewWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    one, late = writer(), writer()
    run(one, ADD)
    run(one, AddCopies(ISBN, 1))
    claim, attempts = late.fence.claim, count(1)

    def second_time(deadline: Deadline) -> None:
        if next(attempts) == 1:
            raise ClaimLost("the coordinator is loading")
        claim(deadline)

    monkeypatch.setattr(late.fence, "claim", second_time)
    with caplog.at_level("DEBUG", "eventstore.append.owner"):
        assert accepted(run(late, AddCopies(ISBN, 1))[0]).receipt.events[0].version == 3
    # Two events, and the end of each transaction
    assert "after reading 4" in caplog.text


def test_a_command_id_can_be_looked_up(writer: NewWriter):
    one = writer()
    (done,) = one.execute([command(ADD, "once")], SECONDS)
    assert one.look_up("once", SECONDS) == [accepted(done).receipt]
    assert writer().look_up("once", SECONDS) == [accepted(done).receipt]
    assert one.look_up("never", SECONDS) == []


def test_time_never_runs_backwards_in_a_partition(store: Settings, writer: NewWriter):
    clock = iter([5_000, 3_000, 9_000]).__next__
    run(writer(clock=clock), ADD)
    second = writer(clock=clock)
    run(second, BorrowBook(ISBN, "ann"))
    run(second, ReturnBook(ISBN, "ann"))
    assert [event.event.timestamp for event in history(store)] == [5_000, 5_000, 9_000]
    assert [message.timestamp()[1] for message in committed_records(store)] == [5_000, 5_000, 9_000]


def test_loans_are_due_as_the_settings_say(new_settings: Callable[..., Settings]):
    settings = new_settings(partitions=1, loan_days=1, timezone="Europe/Prague")
    one = writer_of(settings, 0, clock=lambda: 1_700_000_000_000)
    run(one, ADD, BorrowBook(ISBN, "ann"))
    one.close()
    # 2023-11-15, the last millisecond of the day in Prague
    assert history(settings)[1].event.due_at == 1_700_089_199_999


def test_headers_say_which_command_an_event_came_from(store: Settings, writer: NewWriter):
    writer().execute([command(ADD, "once")], SECONDS)
    raw: Any = committed_records(store)[0].headers()
    headers = read_headers(raw)
    assert (headers["ce_id"], headers["ce_type"]) == ("once/0", "library.inventory.BookAdded")
    assert headers["command_digest"] == digest(ADD)


# What another writer does while this one stands still at a step, as a frozen process does


@pytest.mark.parametrize("step", ["claimed", "read", "decided", "delivered"])
def test_a_paused_writer_decides_again_after_foreign_events(store: Settings, writer: NewWriter, step: str):
    other = writer()
    run(other, AddBook(ISBN, "Elixir in Action", "Sasa Juric", 1))
    done_meanwhile: list[Outcome] = []

    def reached(now: str) -> None:
        if now == step and not done_meanwhile:
            done_meanwhile.extend(run(other, BorrowBook(ISBN, "bob")))

    (late,) = run(writer(reached=reached), BorrowBook(ISBN, "ann"))
    accepted(done_meanwhile[0])
    assert refused(late) == "none_available"
    assert [event.event.user_id for event in history(store)[1:]] == ["bob"]


@pytest.mark.parametrize("step", ["delivered", "committed"])
def test_a_commit_of_unknown_outcome_is_looked_up_before_a_retry(
    store: Settings, writer: NewWriter, step: str
):
    run(writer(), ADD)
    failures = iter([ClaimLost("the connection broke")])

    def reached(now: str) -> None:
        if now == step and (failure := next(failures, None)):
            raise failure

    (outcome,) = run(writer(reached=reached), BorrowBook(ISBN, "ann"))
    assert outcome == Accepted(accepted(outcome).receipt, replayed=False)
    assert event_types(store) == ["BookAdded", "BookBorrowed"]


def test_a_short_read_leads_to_no_event(store: Settings, writer: NewWriter):
    """A broker that was frozen and thaws answers as if its old end were the end."""
    one, another = writer(), writer()
    run(one, AddBook(ISBN, "Elixir in Action", "Sasa Juric", 1))
    run(another, BorrowBook(ISBN, "bob"))

    class OldEnd(Writer):
        short_reads = 1

        def _read(self, state, deadline):
            if self.short_reads:
                self.short_reads -= 1
            else:
                super()._read(state, deadline)

    stale = OldEnd(store, 0, decider_of(store))
    stale.state = one.state
    (outcome,) = run(stale, BorrowBook(ISBN, "ann"))
    stale.close()
    assert not stale.short_reads
    assert refused(outcome) == "none_available"
    assert event_types(store) == ["BookAdded", "BookBorrowed"]
