"""The table of borrowers: each value, and its ratio to that with the fewest borrowers."""

from benchmarks.borrowers.command import table
from benchmarks.borrowers.parts import Figure


def test_each_value_is_compared_with_that_of_the_fewest_borrowers():
    figures = [Figure("start", "s", 1000, 2.0), Figure("start", "s", 10, 0.5), Figure("list", "s", 1000, 9.0)]
    names, rows = table(figures)
    assert names == ["part", "unit", "10", "1,000"]
    assert rows == [["start", "s", 0.5, "2.0 (4.00)"], ["list", "s", "", 9.0]]
