import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from foundation.text import Malformed
from inventory.isbn import display, in_house, parse


@pytest.mark.parametrize(
    ("text", "ean13"),
    [
        ("978-1593275846", "9781593275846"),
        ("978-1-59327-584-6", "9781593275846"),
        (" 9781593275846 ", "9781593275846"),
        ("0-306-40615-2", "9780306406157"),
        ("080442957x", "9780804429573"),
        ("9771234567003", "9771234567003"),
        ("979-0-2600-0043-8", "9790260000438"),
        ("4006381333931", "4006381333931"),
    ],
)
def test_every_spelling_becomes_an_ean_13(text: str, ean13: str):
    assert parse(text) == ean13


@pytest.mark.parametrize(
    "text", ["", "-", "97815932758", "978-1593275847", "0306406153", "978159327584X", "١٢٣٤٥٦٧٨٩٠"]
)
def test_an_invalid_isbn_is_refused_with_a_reason(text: str):
    with pytest.raises(Malformed, match=r"ISBN|check digit"):
        parse(text)


def test_isbns_are_shown_with_hyphens():
    assert display("9781593275846") == "978-1-59327-584-6"
    assert display("4006381333931") == "4006381333931"


@given(st.integers(0, 100 * 10**9 - 1))
def test_in_house_numbers_are_valid_and_distinct(number: int):
    made = in_house(number)
    assert ean.is_valid(made)
    assert made[:1] == "2"
    assert parse(made) == made
    assert int(made[:12]) - 200 * 10**9 == number


@given(st.text("0123456789", min_size=13, max_size=13))
def test_check_digits_are_judged_as_stdnum_does(digits: str):
    try:
        assert parse(digits) == digits
        accepted = True
    except Malformed:
        accepted = False
    assert accepted == ean.is_valid(digits)
