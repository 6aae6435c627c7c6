"""What an audit finds, and what it does not take for a difference."""

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from audit.session import Subject
from eventstore.partitions import partition_of
from foundation.kafka_clients import client_config
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookRemoved
from schemas.row import InventoryRow, Loan
from schemas.tables import inventory_table
from schemas.topics import changelog_topic, ensure_topics
from tests.support.audit.stepping import until_differing, until_read, until_whole
from tests.support.deleted_records import delete_before
from tests.support.projector.topic_damage import write_changelog

A, B, C = "9781593275846", "9781680502992", "9780000000002"
AT = 1_700_000_000_000


def filled(writer) -> None:
    """Three titles in events and table."""
    writer.commit(*(BookAdded(isbn, "T", "A", 3, AT) for isbn in (A, B, C)))


def put(settings, isbn: str, row: InventoryRow | None) -> None:
    """Write a row to the changelog, or delete it, as no projector would."""
    write_changelog(settings, partition_of(isbn, 2), [(isbn.encode(), None if row is None else encode(row))])


def test_a_row_that_was_changed_in_the_changelog_is_found_with_values_and_positions(
    settings, writer, open_session
):
    filled(writer)
    session = open_session()
    until_whole(session)
    assert session.details() == []
    put(settings, A, replace(writer.rows[A], quantity=5))
    found = until_differing(session, A)[A]
    assert [(one.name, one.expected, one.found) for one in found.fields] == [("quantity", 3, 5)]
    assert found.summary == "quantity 5, not 3"
    partition = partition_of(A, 2)
    event = next(offset for p, offset, isbn, *_ in writer.log if (p, isbn) == (partition, A))
    assert found.event == f"{partition}:{event}"
    assert found.record
    assert found.record.startswith(f"{partition}:")
    assert found.position == f"{partition}:{writer.next[partition] - 1}"

    put(settings, A, writer.rows[A])
    until_differing(session)


def test_a_lost_row_a_row_too_many_and_a_damaged_row_are_found(settings, writer, open_session):
    filled(writer)
    session = open_session()
    until_whole(session)
    stray = "9789999999991"
    put(settings, A, None)
    put(settings, stray, replace(writer.rows[A], isbn=stray))
    write_changelog(settings, partition_of(B, 2), [(B.encode(), b"damaged")])
    found = until_differing(session, A, B, stray)
    assert found[A].summary == "the row is missing"
    assert found[stray].summary == "no events produce this row"
    assert found[stray].event is None
    assert found[B].summary == "the row can't be read: first byte 100, not 0"


def test_a_wrong_fold_is_found_in_the_row_of_the_next_event(writer, open_session):
    filled(writer)
    session = open_session()
    until_whole(session)
    writer.append(BookBorrowed(A, "ann", AT + 1, AT + 9))
    # Its fold forgets to count
    row = writer.rows[A]
    writer.versions[A] = 2
    partition = partition_of(A, 2)
    writer.write([replace(row, version=2, updated_at=AT + 1)], {partition: writer.next[partition]})
    found = until_differing(session, A)[A]
    assert [field.name for field in found.fields] == ["available", "loans"]
    assert "ann" not in found.summary


def test_lives_retries_and_aborted_transactions_are_no_differences(settings, writer, open_session):
    filled(writer)
    session = open_session()
    until_whole(session)
    # Removed and added again
    writer.commit(BookRemoved(A, AT + 1), BookAdded(A, "Again", "A", 1, AT + 2))
    writer.abort(BookAdded(B, "never", "A", 9, AT + 3))
    writer.commit(BookBorrowed(C, "ann", AT + 4, AT + 9))
    # A position that is written again, and rows of a transaction that was aborted
    writer.write([writer.rows[C]], {partition_of(C, 2): writer.next[partition_of(C, 2)]})
    abort_rows(settings, replace(writer.rows[B], quantity=77))
    until_read(session)
    assert session.details() == []
    assert [one.folded for one in session.partitions.values()] == [writer.next[p] for p in (0, 1)]


def abort_rows(settings, row: InventoryRow) -> None:
    """Write a row in a transaction that is aborted."""
    producer = Producer(client_config(settings) | {"transactional.id": f"{settings.name}-aborting"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(changelog_topic(settings), encode(row), row.isbn.encode(), partition_of(row.isbn, 2))
    producer.flush(30)
    producer.abort_transaction(30)


def test_a_replay_is_not_compared_until_it_has_caught_up(writer, open_session):
    filled(writer)
    writer.commit(BookBorrowed(A, "ann", AT + 1, AT + 9))
    session = open_session()
    until_whole(session)
    partition, row = partition_of(A, 2), writer.rows[A]
    first = next(offset for p, offset, isbn, *_ in writer.log if (p, isbn) == (partition, A))
    writer.write([replace(row, version=1, updated_at=AT, available=3, loans=())], {partition: first + 1})
    until_read(session)
    assert not session.partitions[partition].comparable
    assert session.details() == []
    writer.write([row], {partition: writer.next[partition]})
    until_read(session)
    assert session.partitions[partition].comparable
    assert session.details() == []


def test_a_row_with_events_that_the_position_lacks_is_compared_later(settings, writer, open_session):
    filled(writer)
    session = open_session()
    until_whole(session)
    partition = partition_of(A, 2)
    before = writer.next[partition]
    writer.append(BookBorrowed(A, "ann", AT + 1, AT + 9))
    row = replace(
        writer.rows[A], version=2, updated_at=AT + 1, available=2, loans=(Loan("ann", AT + 1, AT + 9),)
    )
    writer.write([row], {partition: before})
    until_read(session)
    assert session.details() == []
    # That row is not what later events make
    writer.write([replace(row, available=1)], {})
    until_differing(session, A)
    writer.write([row], {partition: writer.next[partition]})
    until_differing(session)


def test_rows_that_vanished_from_the_changelog_are_found_by_the_next_round(settings, writer, open_session):
    filled(writer)
    session = open_session()
    until_whole(session)
    until_read(session)
    partition = partition_of(A, 2)
    end = session.partitions[partition].table_end
    delete_before(settings, changelog_topic(settings), end - 1, [partition])
    session.start_rounds(1e9)
    assert session.partitions[partition].at_end, "no round is due"
    gone = {isbn for isbn in (A, B, C) if partition_of(isbn, 2) == partition}
    for _ in range(2):
        session.start_rounds(0)
        until_read(session)
    # The position went with the rows: nothing can be compared any more, and the age of the rows shows it
    assert session.partitions[partition].reading
    writer.write([], {partition: writer.next[partition]})
    found = until_differing(session, *gone)
    assert {one.summary for one in found.values()} == {"the row is missing"}


def test_another_table_is_compared_with_the_same_events(settings, writer, open_session):
    filled(writer)
    session = open_session()
    until_whole(session)
    second = inventory_table(2)
    ensure_topics(AdminClient(client_config(settings)), settings, tables=[second])
    writer.changelog = second.changelog(settings)
    writer.write([row for row in writer.rows.values() if row.isbn != B], writer.next)
    session.follow_table(Subject(second, session.subject.identity))
    assert until_differing(session, B)[B].summary == "the row is missing"
    writer.write([writer.rows[B]], {})
    until_differing(session)
    assert sum(p.folded for p in session.partitions.values()) == sum(writer.next.values())
