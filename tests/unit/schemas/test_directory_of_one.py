"""The directory of one borrower has of this one what the directory of all has."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.avro import Undecodable
from schemas.codec import encode
from schemas.directory import Directory, directory_of
from schemas.patrons import ROLL_KEY, PatronForgotten, PatronName, forgotten_key, name_key

AT = 1_764_000_000_000
USERS = ("ann", "joann", "bob")
TOKENS = tuple("p~" + letter * 16 for letter in "xyz")
Records = Sequence[tuple[bytes, bytes | None]]

NAMES = st.builds(
    lambda token, user, closing: (name_key(token), encode(PatronName(user, AT, closing))),
    st.sampled_from(TOKENS),
    st.sampled_from(USERS),
    st.booleans(),
)
TOMBSTONES = st.sampled_from(TOKENS).map(lambda token: (name_key(token), None))
FORGOTTEN = st.sampled_from(TOKENS).map(lambda t: (forgotten_key(t), encode(PatronForgotten(AT))))


def read(records: Records, only: str) -> Directory:
    directory = directory_of(only)
    for offset, (key, value) in enumerate(records):
        directory.take(key, value, offset, AT + offset)
    return directory


@given(st.lists(st.one_of(NAMES, TOMBSTONES, FORGOTTEN, st.just((ROLL_KEY, b""))), max_size=12))
def test_one_borrower_is_as_among_all(records: Records):
    everybody, by_name, by_token = read(records, ""), read(records, "ann"), read(records, TOKENS[0])
    token = everybody.token_of("ann")
    assert by_name.token_of("ann") == token
    assert by_name.forgotten == by_token.forgotten == everybody.forgotten
    assert by_token.user_of(TOKENS[0]) == everybody.user_of(TOKENS[0])
    assert by_token.closing.get(TOKENS[0]) == everybody.closing.get(TOKENS[0])
    if token is not None:
        assert by_name.closing.get(token) == everybody.closing.get(token)


def test_others_are_not_kept():
    records = [(name_key(TOKENS[n]), encode(PatronName(user, AT, True))) for n, user in enumerate(USERS)]
    one = read(records, "bob")
    assert list(one) == [(TOKENS[2], "bob")]
    assert list(one.closing) == [TOKENS[2]]


def test_a_record_that_can_not_be_read_matters_only_where_it_may_be_the_borrowers():
    unreadable = (name_key(TOKENS[0]), b"\xffunreadable joann")
    assert len(read([unreadable], "bob")) == 0
    for records, only in (
        ([unreadable], "ann"),
        ([unreadable], TOKENS[0]),
        ([(name_key(TOKENS[0]), encode(PatronName("bob", AT))), unreadable], "bob"),
    ):
        with pytest.raises(Undecodable):
            read(records, only)
