"""Cursors return their key for the same parameters only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.queries.cursors import BadCursor, make_cursor, parse_cursor
from query_api.queries.page import TitleFilters, TitleKey

keys = st.builds(TitleKey, st.text(max_size=80) | st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**13))


@given(keys, st.text(max_size=20))
def test_a_cursor_decodes_for_its_own_query(key: TitleKey, q: str):
    cursor = make_cursor(["inventory", TitleFilters(q)], key)
    assert parse_cursor(cursor, ["inventory", TitleFilters(q)], TitleKey) == key
    with pytest.raises(BadCursor, match="other parameters"):
        parse_cursor(cursor, ["inventory", TitleFilters(q, sort="title")], TitleKey)


@given(st.text(max_size=200))
def test_a_foreign_or_damaged_cursor_is_refused(text: str):
    with pytest.raises(BadCursor):
        parse_cursor(text, ["inventory"], TitleKey)
