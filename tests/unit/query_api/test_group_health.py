"""Whether a consumer group is behind or broken, by its progress between samples."""

import pytest

from query_api.http.group_health import STUCK_AFTER_S, Health, Track, health, track
from query_api.http.group_lag import Group

END = 1000


def sampled(
    *offsets: int, members: int = 1, interval: float = 5.0, pending: bool = True
) -> tuple[Health, Track]:
    """The group's health and track after samples of its offset in a partition that ends at END."""
    tracked = None
    now = 100.0
    waiting = {0: 7.0} if pending else {}
    for offset in offsets:
        group = Group("readers", ["m"] * members, {0: offset}, {0: END - offset})
        tracked = track(tracked, group, waiting, now)
        now += interval
    assert tracked is not None
    return health(group, tracked, waiting), tracked


def test_a_group_without_pending_events_has_caught_up_also_without_members():
    assert sampled(999, pending=False)[0] == "caught_up"
    assert sampled(999, members=0, pending=False)[0] == "caught_up"


def test_a_group_that_moves_is_behind_however_long():
    found, tracked = sampled(*range(0, 900, 10))
    assert found == "behind"
    assert tracked.rate == pytest.approx(2)


def test_a_group_without_members_has_stopped_while_events_wait():
    assert sampled(10, 20, members=0)[0] == "stopped"


def test_a_group_whose_members_do_not_move_is_stuck_after_half_a_minute():
    steps = int(STUCK_AFTER_S / 5)
    assert sampled(*[10] * steps)[0] == "behind"
    assert sampled(*[10] * (steps + 1))[0] == "stuck"
    assert sampled(*[10] * (steps + 1), 11)[0] == "behind"


def test_a_group_of_which_one_partition_does_not_move_is_stuck():
    tracked = None
    pending = {0: 7.0, 1: 7.0}
    for n in range(8):
        group = Group("readers", ["m"], {0: 10, 1: n}, {0: 5, 1: 90 - n})
        tracked = track(tracked, group, pending, n * 5.0)
    assert tracked is not None
    assert health(group, tracked, pending) == "stuck"


def test_a_partition_that_had_nothing_to_handle_has_moved():
    tracked = None
    for n in range(20):
        group = Group("readers", ["m"], {0: 10}, {0: 0})
        tracked = track(tracked, group, {}, n * 5.0)
    group = Group("readers", ["m"], {0: 10}, {0: 3})
    tracked = track(tracked, group, {0: 1.0}, 100.0)
    assert health(group, tracked, {0: 1.0}) == "behind"


def test_a_group_that_was_set_back_replays_until_it_is_where_it_was():
    found, tracked = sampled(600, 100, 400)
    assert found == "replaying"
    assert tracked.replay is not None
    assert (tracked.replay.done, tracked.replay.total) == (300, 500)
    found, tracked = sampled(600, 100, 400, 600)
    assert (found, tracked.replay) == ("behind", None)


def test_a_replay_without_members_has_stopped():
    assert sampled(600, 100, members=0)[0] == "stopped"


def test_offsets_of_a_topic_that_was_made_again_are_no_replay():
    tracked = track(None, Group("readers", ["m"], {0: 600}, {0: 0}), {}, 0.0)
    tracked = track(tracked, Group("readers", ["m"], {0: 5}, {0: 0}), {}, 5.0)
    assert tracked.replay is None
