"""When a replica is ready, and which positions it includes."""

from query_api.replica.progress import Draft, Ends, Progress


def read(progress: Progress, ends: Ends | None, **steps: int) -> Progress:
    draft = Draft(progress)
    for step, following in steps.items():
        getattr(draft, step)(0, following)
    return draft.done(ends)


def test_a_new_replica_is_ready_at_the_end_of_both_topics():
    ends = Ends((5,), (10,))
    progress = read(Progress.none(1), ends, row_read=4, table_at=10, event_read=10)
    assert not progress.ready
    progress = read(progress, ends, row_read=5)
    assert progress.ready
    assert progress.complete
    assert str(progress) == "0:9"


def test_a_replica_of_an_empty_store_is_ready_at_once():
    progress = Draft(Progress.none(2)).done(Ends((0, 0), (0, 0)))
    assert progress.ready
    assert str(progress) == ""


def test_old_position_records_do_not_make_a_replica_ready_during_a_replay():
    ends = Ends((20,), (100,))
    before = read(Progress.none(1), ends, row_read=9, table_at=100, event_read=100)
    assert not before.complete
    inside = read(before, ends, row_read=20, table_at=40)
    assert inside.table == (40,)
    assert not inside.ready
    assert not inside.has({0: 50})
    after = read(inside, ends, row_read=30, table_at=100)
    assert after.ready
    assert after.has({0: 99})


def test_settled_positions_never_decrease():
    ends = Ends((5,), (10,))
    settled = read(Progress.none(1), ends, row_read=5, table_at=10, event_read=10)
    replayed = read(settled, ends, row_read=6, table_at=3)
    assert replayed.table == (10,)
    assert replayed.ready


def test_a_restarted_replica_answers_while_it_catches_up():
    stored = Progress((5,), (10,), (10,), (True,))
    ends = Ends((7,), (12,))
    restarted = Draft(stored).done(ends)
    assert restarted.complete
    assert not restarted.ready
    assert restarted.has({0: 9})
    assert not restarted.has({0: 10})
    assert read(restarted, ends, row_read=7, table_at=12, event_read=12).ready


def test_a_position_is_settled_only_with_rows_and_history():
    ends = Ends((5,), (10,))
    rows_only = read(Progress.none(1), ends, row_read=5, table_at=10, event_read=4)
    assert not rows_only.complete
    assert not rows_only.has({0: 3})
    assert str(rows_only) == "0:3"
    both = read(rows_only, ends, event_read=10)
    assert both.ready
    assert both.has({0: 9})
    assert not both.has({0: 10})


def test_a_replica_does_not_become_ready_without_kafka():
    assert not read(Progress.none(1), None, row_read=5, table_at=10, event_read=10).complete
