"""How far a consumer group is behind."""

import pytest

from eventstore.groups import lag


@pytest.mark.parametrize(
    ("committed", "beginning", "end", "expected"),
    [
        ({0: 3}, {0: 0}, {0: 5}, {0: 2}),
        ({}, {0: 0}, {0: 5}, {0: 5}),
        ({0: 5}, {0: 0}, {0: 5}, {0: 0}),
        ({0: 1}, {0: 4}, {0: 5}, {0: 1}),
        ({}, {0: 4}, {0: 5}, {0: 1}),
        ({0: 9}, {0: 0}, {0: 5}, {0: 0}),
        ({0: 3}, {0: 0, 1: 0}, {0: 5, 1: 2}, {0: 2, 1: 2}),
    ],
    ids=[
        "behind", "without an offset", "at the end", "with an offset that is gone",
        "without an offset in a log that begins later", "with an offset after a truncated end",
        "in several partitions",
    ],
)  # fmt: skip
def test_the_lag_of_a_group(
    committed: dict[int, int], beginning: dict[int, int], end: dict[int, int], expected: dict[int, int]
):
    assert lag(committed, beginning, end) == expected
