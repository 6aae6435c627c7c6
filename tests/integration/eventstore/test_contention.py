"""Writers against each other, and against what others leave on the partition."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest

from eventstore.append import catch_up, fence
from eventstore.append.writer import Writer
from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from producer.writers import writer_of
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    OTHER,
    accepted,
    command,
    event_types,
    foreign_producer,
    refused,
    run,
)


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    """A system with one partition."""
    return new_settings(partitions=1, deadline=60)


@pytest.fixture
def writer(store: Settings) -> Iterator[Writer]:
    """A writer of that partition."""
    one = writer_of(store, 0)
    yield one
    one.close()


def test_twenty_processes_borrow_the_last_three_copies(store: Settings, writer: Writer):
    run(writer, ADD)
    given = msgspec.json.encode(store).decode()
    borrowers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.producer.borrow_once", given, f"user{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    try:
        for borrower in borrowers:
            assert borrower.stdout.readline() == "ready\n"
        for borrower in borrowers:
            borrower.stdin.write("now\n")
            borrower.stdin.flush()
        said = Counter(borrower.communicate(timeout=90)[0] for borrower in borrowers)
    finally:
        for borrower in borrowers:
            borrower.kill()
    assert said == {"accepted\n": 3, "none_available\n": 17}
    assert event_types(store) == ["BookAdded", *["BookBorrowed"] * 3]


def test_writers_that_alternate_all_get_through(store: Settings):
    writers = [writer_of(store, 0) for _ in range(3)]
    run(writers[0], ADD)
    for turn in range(12):
        accepted(run(writers[turn % 3], (BorrowBook, ReturnBook)[turn % 2](ISBN, "ann"))[0])
    for one in writers:
        one.close()
    assert len(event_types(store)) == 13


def test_the_next_owner_aborts_the_open_transaction_of_a_killed_one(store: Settings, writer: Writer):
    class Killed(BaseException):
        pass

    def dies(step: str) -> None:
        if step == "delivered":
            raise Killed

    run(writer, ADD)
    killed = writer_of(store, 0, reached=dies)
    with pytest.raises(Killed):
        run(killed, BorrowBook(ISBN, "ann"))
    assert accepted(run(writer, BorrowBook(ISBN, "bob"))[0]).receipt.events[0].version == 2
    assert event_types(store) == ["BookAdded", "BookBorrowed"]


def test_a_short_foreign_transaction_only_delays_a_writer(store: Settings, writer: Writer):
    run(writer, ADD)
    intruder = foreign_producer(store, "intruder")
    intruder.begin_transaction()
    intruder.produce(events_topic(store), b"x", b"x", 0)
    intruder.flush()
    writer.fence.lose()
    claims = iter(["first", "second"])

    def reached(step: str) -> None:
        if step == "claimed" and next(claims, None) == "second":
            intruder.abort_transaction()

    late = writer_of(store, 0, reached=reached)
    accepted(run(late, BorrowBook(ISBN, "ann"))[0])
    late.close()
    assert event_types(store) == ["BookAdded", "BookBorrowed"]


def test_a_lasting_foreign_transaction_is_refused_with_advice(
    store: Settings, writer: Writer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(catch_up, "PATIENCE_S", 0.5)
    run(writer, ADD)
    intruder = foreign_producer(store, "intruder")
    intruder.begin_transaction()
    intruder.produce(events_topic(store), b"x", b"x", 0)
    intruder.flush()
    late = writer_of(store, 0)
    (outcome,) = run(late, BorrowBook(ISBN, "ann"))
    assert isinstance(outcome, Unwritable)
    assert "library doctor" in outcome.reason
    assert "partition 0" in outcome.reason

    (soon,) = writer_of(store, 0).execute([command(BorrowBook(ISBN, "ann"))], 0.2)
    assert isinstance(soon, OutcomeUnknown)
    assert not soon.sent

    intruder.abort_transaction()
    accepted(run(late, BorrowBook(ISBN, "ann"))[0])
    late.close()
    assert event_types(store) == ["BookAdded", "BookBorrowed"]


@pytest.mark.slow
def test_the_transaction_of_a_dead_program_is_waited_for_until_kafka_ends_it(store: Settings, writer: Writer):
    """Kafka ends it after its time-out and up to 10 s more, and nobody is told of a foreign transaction."""
    run(writer, ADD)
    dead = foreign_producer(store, "dead", timeout_s=fence.TRANSACTION_TIMEOUT_S)
    dead.begin_transaction()
    dead.produce(events_topic(store), b"x", b"x", 0)
    dead.flush()
    del dead
    (outcome,) = writer_of(store, 0).execute([command(BorrowBook(ISBN, "ann"))], 40)
    accepted(outcome)


def test_a_writer_without_the_fence_is_noticed_by_its_offsets(store: Settings, writer: Writer):
    """Somebody produces to the topic directly, between the read and the append."""
    run(writer, ADD)
    producer = foreign_producer(store)
    once = iter([True])

    def reached(step: str) -> None:
        if step == "decided" and next(once, False):
            producer.produce(events_topic(store), b"junk", f"{OTHER}/1".encode(), 0)
            producer.flush()

    careful = writer_of(store, 0, reached=reached)
    steps = accepted(run(careful, BorrowBook(ISBN, "ann"))[0])
    assert steps.receipt.events[0].version == 2
    careful.close()
    assert refused(run(writer, BorrowBook(ISBN, "ann"))[0]) == "already_borrowed"
    (blocked,) = run(writer, AddBook(OTHER, "Title"))
    assert isinstance(blocked, Unwritable)
