"""What a writer can't read holds only the title it stands in the way of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eventstore.state.outcomes import Unwritable
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from producer.writers import binding, snapshot_of, writer_of
from schemas.codec import encode
from schemas.events import BookReturned
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    OTHER,
    accepted,
    command,
    committed_records,
    foreign_producer,
    run,
)

RETURNED = encode(BookReturned(ISBN, "ann", 1_700_000_000_000))
THIRD = "9780262046305"


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    """A system with one partition."""
    return new_settings(partitions=1)


def put(settings: Settings, key: bytes, value: bytes | None) -> None:
    producer = foreign_producer(settings)
    producer.produce(events_topic(settings), value, key, 0)
    producer.flush()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            f"{ISBN}/3",
            b"\0\0\0\xff\xff...",
            "schema id 65535 is unknown here: upgrade, or run `library doctor`",
        ),
        (f"{ISBN}/3", b"no event", "first byte"),
        (f"{ISBN}/3", None, "no value"),
        (f"{ISBN}/3", RETURNED[:8], "BookReturned"),
        (f"{ISBN}/3", encode(BookReturned(OTHER, "ann", 1)), f"the event {OTHER}"),
        (f"{ISBN}/4", RETURNED, "version 4 follows 2: events are missing"),
    ],
)
def test_a_title_with_an_unreadable_event_refuses_writes_and_others_accept_them(
    store: Settings, key: str, value: bytes | None, said: str
):
    first = writer_of(store, 0)
    once = command(ADD)
    first.execute([once], 20)
    run(first, BorrowBook(ISBN, "ann"))
    first.close()
    put(store, key.encode(), value)
    before = len(committed_records(store))

    writer = writer_of(store, 0)
    blocked, other = run(writer, ReturnBook(ISBN, "ann"), AddBook(OTHER, "Programming Elixir"))
    assert isinstance(blocked, Unwritable)
    assert said in blocked.reason
    assert blocked.reason.count("upgrade, or run `library doctor`") == 1
    accepted(other)
    assert accepted(writer.execute([once], 20)[0]).replayed
    assert len(committed_records(store)) == before + 1

    put(store, f"{ISBN}/3".encode(), RETURNED)
    assert isinstance(run(writer, ReturnBook(ISBN, "ann"))[0], Unwritable)
    writer.close()


def test_an_unparseable_key_makes_its_partition_unwritable(store: Settings):
    put(store, b"whatever", RETURNED)
    writer = writer_of(store, 0)
    (blocked,) = run(writer, ADD)
    assert isinstance(blocked, Unwritable)
    assert "offset 0 of partition 0 names no stream" in blocked.reason
    writer.close()


def test_an_identical_copy_of_an_event_is_accepted(store: Settings):
    """As a topic that was mirrored at least once may hold them: readers skip them too."""
    writer = writer_of(store, 0)
    run(writer, ADD)
    (message,) = committed_records(store)
    put(store, message.key(), message.value())
    accepted(run(writer, BorrowBook(ISBN, "ann"))[0])
    writer.close()


def test_a_snapshot_keeps_unwritable_titles(store: Settings):
    Path(store.data_dir).mkdir()
    put(store, f"{ISBN}/1".encode(), b"no event")
    first = writer_of(store, 0, snapshot_of(store, 0, binding(store)))
    run(first, AddBook(OTHER, "Programming Elixir"))
    snapshot_of(store, 0, binding(store)).save(first.state)
    first.close()

    snapshot = snapshot_of(store, 0, binding(store))
    assert snapshot.load().next > 0
    second = writer_of(store, 0, snapshot)
    assert isinstance(run(second, ADD)[0], Unwritable)
    accepted(run(second, AddBook(THIRD, "Introduction to Algorithms"))[0])
    second.close()
