"""Cursors come back as they were, for the same question only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.queries.cursors import BadCursor, make_cursor, read_cursor
from query_api.queries.page import Filters, Key

keys = st.builds(Key, st.text(max_size=80) | st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**13))


@given(keys, st.text(max_size=20))
def test_a_cursor_decodes_for_its_own_query(key: Key, q: str):
    cursor = make_cursor(["inventory", Filters(q)], key)
    assert read_cursor(cursor, ["inventory", Filters(q)], Key) == key
    with pytest.raises(BadCursor, match="other parameters"):
        read_cursor(cursor, ["inventory", Filters(q, sort="title")], Key)


@given(st.text(max_size=200))
def test_a_foreign_or_damaged_cursor_is_refused(text: str):
    with pytest.raises(BadCursor):
        read_cursor(text, ["inventory"], Key)
