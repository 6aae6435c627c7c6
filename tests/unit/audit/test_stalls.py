"""Which groups stand still while events come."""

from audit.stalls import FAR_BEHIND, Stalls

A = "a"


def test_a_group_stands_still_from_the_first_look_at_which_an_event_waits():
    stalls = Stalls()
    assert stalls.update({A: {0: 5}}, {0: 4}, 10) == {(A, 0): 0}
    assert stalls.update({A: {0: 5}}, {0: 7}, 20) == {(A, 0): 0}
    assert stalls.update({A: {0: 5}}, {0: 9}, 50) == {(A, 0): 30}
    assert stalls.update({A: {0: 6}}, {0: 9}, 60) == {(A, 0): 0}
    assert stalls.update({A: {0: 6}}, {0: 9}, 75) == {(A, 0): 15}
    assert stalls.update({A: {0: 10}}, {0: 9}, 80) == {(A, 0): 0}
    assert stalls.update({A: {0: 10}}, {0: 10}, 90) == {(A, 0): 0}


def test_a_partition_stands_still_although_the_group_moves_in_another():
    stalls = Stalls()
    stalls.update({A: {0: 1, 1: 1}}, {0: 9, 1: 9}, 0)
    assert stalls.update({A: {0: 1, 1: 5}}, {0: 9, 1: 9}, 30) == {(A, 0): 30, (A, 1): 0}


def test_a_partition_waits_for_its_turn_while_the_group_catches_up_in_another():
    stalls, last = Stalls(), {0: 9, 1: 10 * FAR_BEHIND}
    stalls.update({A: {0: 1, 1: 1}}, last, 0)
    assert stalls.update({A: {0: 1, 1: 5}}, last, 30) == {(A, 0): 0, (A, 1): 0}
    assert stalls.update({A: {0: 1, 1: 5}}, last, 70) == {(A, 0): 40, (A, 1): 40}


def test_a_partition_without_events_and_a_group_that_is_gone_stand_nowhere():
    stalls = Stalls()
    assert stalls.update({A: {0: 0}}, {}, 0) == {(A, 0): 0}
    assert stalls.update({}, {0: 3}, 60) == {}
