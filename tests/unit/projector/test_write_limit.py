"""How much a projector writes together, which follows the speed of the broker."""

import pytest

from projector.agent import write_limit

MB = 1 << 20


@pytest.mark.parametrize(
    ("size", "took_s", "after"),
    [
        pytest.param(7 * MB, 1.0, 14 * MB, id="as much as two seconds suffice for"),
        pytest.param(7 * MB, 2.0, 7 * MB, id="less at once if it was slower than expected"),
        pytest.param(7 * MB, 0.1, 64 * MB, id="at most"),
        pytest.param(7 * MB, 2.1, 4 * MB, id="half after a slow one"),
        pytest.param(1000, 2.1, 4 * MB, id="also after a small one: the broker is slow"),
        pytest.param(1000, 0.1, 8 * MB, id="a small one says nothing about large ones"),
    ],
)
def test_the_size_of_a_write_follows_the_speed_of_the_one_before(size: int, took_s: float, after: int):
    assert write_limit(8 * MB, size, took_s) == after


def test_the_size_of_a_write_recovers_after_any_number_of_slow_ones():
    limit = 8 * MB
    for _ in range(30):
        limit = write_limit(limit, 1000, 3.0)
    assert write_limit(limit, limit, 0.1) > limit > 0
