"""An audit without end, beside a real projector and through damage."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from msgspec.structs import replace

from audit import auditor, session
from audit.report import Report
from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.tables.record import change_tables
from schemas.codec import encode
from schemas.events import BookAdded, CopiesAdded
from schemas.row import InventoryRow
from schemas.tables import inventory_table
from schemas.topics import changelog_topic, ensure_topics, identify, projector_group
from tests.support.audit.running_auditor import RunningAuditor, running
from tests.support.projector.event_store import EventStore
from tests.support.projector.table_check import expected_rows, until_caught_up
from tests.support.projector.topic_damage import write_changelog
from tests.support.projector.worker_process import crew_of
from tests.support.query_api.store_writer import StoreWriter
from tests.support.waiting import eventually

A, B, C = "9781593275846", "9781680502992", "9780000000002"
AT = 1_700_000_000_000


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, for the sake of a quick test."""
    monkeypatch.setitem(session._READING, "fetch.wait.max.ms", 50)
    monkeypatch.setattr(session, "IDLE_WAIT_S", 0.05)
    monkeypatch.setattr(auditor, "LOOK_INTERVAL_S", 0.3)
    monkeypatch.setattr(auditor, "RETRY_INTERVAL_S", 0.1)


@pytest.fixture
def audit(settings: Settings, tmp_path: Path) -> Iterator[RunningAuditor]:
    """A running audit."""
    with running(settings, tmp_path / "audit") as started:
        yield started


def differing(*isbns: str) -> Callable[..., bool]:
    return lambda report: [one.isbn for one in report.details] == sorted(isbns)


def admin_of(settings: Settings) -> AdminClient:
    return AdminClient(client_config(settings))


def put(settings: Settings, isbn: str, row: InventoryRow | None) -> None:
    value = None if row is None else encode(row)
    write_changelog(settings, partition_of(isbn, settings.partitions), [(isbn.encode(), value)])


def test_damage_a_wrong_fold_and_a_stopped_projector_are_found(settings, audit, record_property):
    store = EventStore(settings)
    store.append(200, aborted=0.2)
    with crew_of(settings) as crew:
        worker = crew.start()
        until_caught_up(settings)
        rows = expected_rows(settings)
        audit.until_whole(len(rows))
        one, other, *_ = (row for row in rows.values() if not row.removed)
        stray = "9789999999991"
        put(settings, one.isbn, replace(one, available=one.available + 1))
        audit.until(differing(one.isbn), "a row changed")
        put(settings, other.isbn, None)
        audit.until(differing(one.isbn, other.isbn), "a row lost")
        put(settings, stray, replace(one, isbn=stray))
        audit.until(differing(one.isbn, other.isbn, stray), "a row too many")
        for isbn, row in ((one.isbn, one), (other.isbn, other), (stray, None)):
            put(settings, isbn, row)
        audit.until(differing())

        store.append(200)
        until_caught_up(settings)
        audit.until_whole(len(rows) + 6)

        assert worker.stop() == 0
        crew.start(faults="mutant:CopiesAdded").until_ready()
        now = expected_rows(settings)[one.isbn]
        store.write(now.version + 1, CopiesAdded(one.isbn, 1, now.updated_at))
        report = audit.until(differing(one.isbn), "a wrong fold")
        assert report.details[0].summary == f"available {now.available + 2}, not {now.available + 1}"
        until_caught_up(settings)
        audit.until(lambda report: not any(stall.seconds for stall in report.stalls))

        crew.end()
        store.write(1, BookAdded(C, "t", "a", 1, AT))
        partition = partition_of(C, settings.partitions)
        audit.until(
            lambda report: any(
                stall.seconds > 1
                for stall in report.stalls
                if (stall.group, stall.partition) == (projector_group(settings), partition)
            ),
            "a projector stopped for a second",
        )
    for what, seconds in audit.found_after_s.items():
        record_property(what, seconds)
    print("found after (s):", audit.found_after_s)


def test_damage_is_found_while_the_changelog_is_written_without_a_pause(new_settings, tmp_path, monkeypatch):
    # Longer than any pause of the writer: Kafka never reports an end
    monkeypatch.setitem(session._READING, "fetch.wait.max.ms", 5000)
    settings = new_settings(partitions=1)
    writer = StoreWriter(settings, identify(admin_of(settings), settings))
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(C, "U", "B", 1, AT))
    with running(settings, tmp_path / "audit") as audit:
        audit.until_whole(2)
        for count in range(2000):
            writer.commit(CopiesAdded(A, 1, AT + count))
            if count == 20:
                put(settings, C, None)
            if differing(C)(audit.report):
                break
        assert differing(C)(audit.report)


def test_every_row_is_compared_again_within_the_period_though_nothing_changes(settings, writer, tmp_path):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(C, "U", "B", 1, AT))
    with running(replace(settings, audit_period=1.0), tmp_path / "audit") as audit:
        audit.until(lambda report: report.rows_compared >= 8)
        audit.until(lambda report: max(report.oldest_seconds.values()) < 1)
        assert audit.report.differences == 0


def test_a_restarted_audit_begins_again_and_finds_the_same(settings, writer, tmp_path):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    put(settings, A, replace(writer.rows[A], quantity=9))
    for _ in range(2):
        with running(settings, tmp_path / "audit") as audit:
            audit.until(lambda report: differing(A)(report) and report.rows_compared == 2)
    assert list((tmp_path / "audit").iterdir()) == []


def test_two_audits_share_the_partitions_and_one_takes_over_when_the_other_ends(settings, writer, tmp_path):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(C, "U", "B", 1, AT))
    assert partition_of(A, 2) != partition_of(C, 2)

    def partitions(report: Report) -> set[int]:
        return set(report.oldest_seconds)

    with running(settings, tmp_path / "one") as one:
        one.until(lambda report: partitions(report) == {0, 1} and report.rows_compared == 2)
        with running(settings, tmp_path / "other") as other:
            one.until(lambda report: len(partitions(report)) == 1)
            other.until(lambda report: partitions(report) == {0, 1} - partitions(one.report))
            put(settings, A, None)
            put(settings, C, None)
            one.until(lambda report: report.differences == 1)
            other.until(lambda report: report.differences == 1)
            assert {each.isbn for audit in (one, other) for each in audit.report.details} == {A, C}
        one.until(differing(A, C))


def test_the_table_that_counts_is_followed(settings, writer, audit):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    audit.until_whole(2)
    second = inventory_table(2)
    ensure_topics(admin_of(settings), settings, tables=[second])
    writer.changelog = second.changelog(settings)
    writer.write([writer.rows[A]], writer.next)
    write_record(settings)
    report = audit.until(differing(B))
    assert report.group == second.group_id(settings)


def write_record(settings: Settings) -> None:
    """Let table 2 count."""
    change_tables(settings, lambda now: replace(now, current=2, other=1, newest=2))


def test_an_event_store_that_was_made_anew_is_audited_from_its_beginning(settings, writer, audit):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    audit.until_whole(2)
    admin, topics = admin_of(settings), [events_topic(settings), changelog_topic(settings)]
    for future in admin.delete_topics(topics, operation_timeout=10).values():
        future.result()
    eventually(lambda: not set(topics) & set(admin.list_topics(timeout=5).topics))
    audit.until(lambda report: report.trouble)
    ensure_topics(admin, settings)
    anew = StoreWriter(settings, identify(admin, settings))
    anew.commit(BookAdded(A, "Other", "A", 3, AT), BookAdded(C, "V", "C", 1, AT))
    audit.until(lambda report: not report.trouble and report.rows_compared >= 4)
    assert audit.report.differences == 0
    put(settings, C, None)
    audit.until(differing(C))


def test_partitions_that_somebody_adds_are_a_trouble_and_the_others_are_audited(settings, writer, audit):
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    audit.until_whole(2)
    admin = admin_of(settings)
    (added,) = admin.create_partitions([NewPartitions(events_topic(settings), 3)]).values()
    added.result()
    trouble = audit.until(lambda report: report.trouble).trouble
    assert "has 3 partitions, the settings say 2" in trouble
    put(settings, A, None)
    audit.until(differing(A))
