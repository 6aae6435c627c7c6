"""RFC 3339 times, rendered and parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import FIRST_MS, LAST_MS, BadTime, parse_time, rfc3339


@given(st.integers(FIRST_MS, LAST_MS))
def test_a_rendered_time_parses_to_the_same_milliseconds(ms: int):
    assert parse_time(rfc3339(ms)) == ms


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_stored_number_can_be_rendered(ms: int):
    assert rfc3339(ms).endswith("Z")


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31t19:00:00.5-05:00", 500),
        ("2024-05-01T12:00:00.123999Z", 1714564800123),
        ("2024-05-01 12:00:00z", 1714564800000),
    ],
)
def test_times_with_offsets_and_fractions_are_parsed(text: str, ms: int):
    assert parse_time(text) == ms


@pytest.mark.parametrize(
    "text",
    ["", "now", "2024-05-01", "2024-05-01T12:00:00", "2024-13-01T12:00:00Z", "2024-05-01T25:00:00Z",
     "2024-05-01T12:00:00+99:00", "2024-05-01T12:00:00+24:00", "2024-05-01T12:00:00-01:60",
     "２024-05-01T12:00:00Z"],
)  # fmt: skip
def test_a_text_that_is_no_point_in_time_is_refused(text: str):
    with pytest.raises(BadTime, match="time"):
        parse_time(text)


def test_times_at_the_edges_of_the_calendar_can_be_compared():
    assert parse_time("0001-01-01T00:00:00+23:59") < FIRST_MS
    assert parse_time("9999-12-31T23:59:59-23:59") > LAST_MS
