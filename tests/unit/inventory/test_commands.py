from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.state.outcomes import digest
from foundation.text import Malformed
from inventory.commands import (
    FIELDS,
    AddBook,
    BorrowBook,
    Command,
    CorrectDetails,
    WithdrawCopies,
    checked,
    from_json,
)

ISBN = "9781593275846"


def test_equal_commands_normalise_to_one_form():
    typed = AddBook("978-1-59327-584-6", "  Cafe\u0301 ", " Sasa Juric ", 10)
    assert checked(typed) == AddBook(ISBN, "Caf\u00e9", "Sasa Juric", 10)
    assert digest(checked(typed)) == digest(AddBook(ISBN, "Caf\u00e9", "Sasa Juric", 10))
    assert digest(AddBook(ISBN, "A")) != digest(AddBook(ISBN, "B"))


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (AddBook("9781593275847", "T"), "isbn"),
        (AddBook("12345", "T"), "isbn"),
        (AddBook("", "T"), "isbn"),
        (AddBook(ISBN, " "), "title"),
        (AddBook(ISBN, "x" * 1001), "title"),
        (AddBook(ISBN, "null \0"), "title"),
        (AddBook(ISBN, "\ud800"), "title"),
        (AddBook(ISBN, "line\nbreak"), "title"),
        (AddBook(ISBN, "T", quantity=0), "quantity"),
        (AddBook(ISBN, "T", quantity=-1), "quantity"),
        (AddBook(ISBN, "T", quantity=10**30), "quantity"),
        (BorrowBook(ISBN, ""), "user_id"),
        (BorrowBook(ISBN, "\x1b[31m"), "user_id"),
        (CorrectDetails(ISBN), "title"),
        (WithdrawCopies(ISBN, 1, "stolen"), "reason"),
        (WithdrawCopies(ISBN, 1, "sold", "ann"), "user_id"),
        (WithdrawCopies(ISBN, 2, "lost", "ann"), "quantity"),
    ],
)
def test_a_command_that_is_invalid_in_any_state_is_malformed(command: Command, field: str):
    with pytest.raises(Malformed) as caught:
        checked(command)
    assert caught.value.field == field


def test_every_field_of_the_commands_has_its_check_and_limits():
    assert {name for kind in get_args(Command) for name in kind.__struct_fields__} == FIELDS.keys()


def test_json_commands_are_parsed_by_their_type():
    body = b'{"type":"BorrowBook","isbn":"978-1-59327-584-6","user_id":"ann"}'
    assert from_json(body) == BorrowBook(ISBN, "ann")


@given(st.binary(max_size=300))
@example(b"[" * 100_000)
@example(b'{"type":"BorrowBook","isbn":"9781593275846","user_id":1}')
@example(b'{"type":"BorrowBook","isbn":"9781593275846","user_id":"a","x":1}')
@example(b'{"type":"AddBook","isbn":"9781593275846","title":"T","quantity":1.5}')
@example(b'{"type":"AddBook","isbn":"9781593275846","title":"T","quantity":1e400}')
@example(b'{"type":"AddBook","isbn":"9781593275846","title":"\\ud800"}')
@example(b'{"type":"Nothing"}')
@example(b"\xff\xfe")
def test_anything_but_a_command_is_malformed(body: bytes):
    with pytest.raises(Malformed):
        from_json(body)
