"""The names of borrowers as a fold of their records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.avro import Undecodable
from schemas.codec import encode
from schemas.directory import Closing, Directory
from schemas.patrons import (
    ROLL_KEY,
    PatronForgotten,
    PatronName,
    forgotten_key,
    is_token,
    name_key,
    new_token,
    token_of_key,
)

ANN, BOB = "p~" + "a" * 16, "p~" + "b" * 16
AT = 1_764_000_000_000
Record = tuple[bytes, bytes | None]


def named(token: str, user_id: str, *, closing: bool = False, when_returned: bool = False) -> Record:
    return name_key(token), encode(PatronName(user_id, AT, closing, when_returned))


def forgotten(token: str) -> tuple[Record, Record]:
    return (name_key(token), None), (forgotten_key(token), encode(PatronForgotten(AT + 1)))


def folded(*records: Record) -> Directory:
    directory = Directory()
    for offset, (key, value) in enumerate(records):
        directory.take(key, value, offset, AT + offset)
    return directory


def test_a_new_token_has_the_form_of_one_and_never_comes_twice():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(is_token(token) and len(token) == 18 for token in tokens)


@pytest.mark.parametrize(
    "text", ["", "ann", "p~", "p~short", ANN + "x", "P~" + "a" * 16, ANN[:-1] + "é", ANN + "\n"]
)
def test_other_texts_are_no_tokens(text):
    assert not is_token(text)


def test_a_key_names_the_token_and_its_kind():
    assert token_of_key(name_key(ANN)) == (ANN, False)
    assert token_of_key(forgotten_key(ANN)) == (ANN, True)
    with pytest.raises(ValueError, match="names no token"):
        token_of_key(b"ann")


def test_a_name_is_found_in_both_directions():
    directory = folded(named(ANN, "ann"), named(BOB, "bob"))
    assert (directory.token_of("ann"), directory.user_of(BOB)) == (ANN, "bob")
    assert (directory.token_of("cid"), directory.user_of("p~" + "c" * 16)) == (None, None)
    assert (len(directory), dict(directory)) == (2, {ANN: "ann", BOB: "bob"})


def test_a_tombstone_forgets_one_borrower_and_no_other():
    directory = folded(named(ANN, "ann"), named(BOB, "bob"), *forgotten(ANN))
    assert (directory.token_of("ann"), directory.user_of(ANN)) == (None, None)
    assert (directory.token_of("bob"), directory.user_of(BOB)) == (BOB, "bob")
    assert directory.forgotten == {ANN: AT + 1}
    assert directory.erased_at == AT + 2


def test_a_forgotten_token_gets_no_name_again():
    directory = folded(named(ANN, "ann"), *forgotten(ANN), named(ANN, "ann"))
    assert (directory.token_of("ann"), len(directory)) == (None, 0)


def test_a_forgotten_borrower_who_comes_back_has_another_token():
    directory = folded(named(ANN, "ann"), *forgotten(ANN), named(BOB, "ann"))
    assert (directory.token_of("ann"), directory.user_of(ANN)) == (BOB, None)


def test_a_closing_borrower_keeps_the_name_until_the_tombstone():
    directory = folded(named(ANN, "ann"), named(ANN, "ann", closing=True, when_returned=True))
    assert directory.closing == {ANN: Closing(1, AT + 1, True, AT)}
    assert directory.token_of("ann") == ANN


@pytest.mark.parametrize("end", [[named(ANN, "ann")], forgotten(ANN)], ids=["kept", "forgotten"])
def test_an_erasure_ends_with_an_open_name_or_with_the_tombstone(end):
    assert not folded(named(ANN, "ann", closing=True), *end).closing


def test_a_rolling_record_only_takes_time():
    directory = folded(named(ANN, "ann"), (ROLL_KEY, b""))
    assert (len(directory), directory.last_at) == (1, AT + 1)


@pytest.mark.parametrize(
    "record",
    [(b"ann", b""), (b"\xff", None), (name_key(ANN), b"\x00\x00"), (name_key(ANN), forgotten(ANN)[1][1])],
)
def test_a_record_that_cannot_be_read_is_reported(record):
    with pytest.raises(Undecodable):
        folded(named(ANN, "ann"), record)


USERS = st.sampled_from(["ann", "bob"])
TOKENS = st.sampled_from(["p~" + letter * 16 for letter in "abcd"])


@given(st.lists(st.one_of(st.tuples(TOKENS, USERS, st.booleans()), TOKENS), max_size=30))
def test_compaction_changes_nothing(steps):
    """Kafka keeps the newest record of each key: a reader of those alone must come to the same names."""
    records: list[Record] = []
    held: dict[str, str] = {}
    for step in steps:
        if isinstance(step, str):
            records += forgotten(step)
            held.pop(step, None)
        # As writers do it: a borrower has one token at a time, a token one borrower for ever
        elif held.get(step[0], step[1]) == step[1] and step[1] not in {
            user for token, user in held.items() if token != step[0]
        }:
            token, user_id, closing = step
            if (forgotten_key(token), forgotten(token)[1][1]) not in records:
                records.append(named(token, user_id, closing=closing))
                held[token] = user_id
    newest = {key: index for index, (key, _) in enumerate(records)}
    compacted = Directory()
    for index, (key, value) in enumerate(records):
        if newest[key] == index:
            compacted.take(key, value, index, AT + index)
    whole = folded(*records)
    assert dict(compacted) == dict(whole) == held
    assert (compacted.closing, compacted.forgotten) == (whole.closing, whole.forgotten)
    assert {user: compacted.token_of(user) for user in held.values()} == {u: t for t, u in held.items()}
