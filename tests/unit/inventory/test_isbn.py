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
    "text", ["", "-", "97815932758", "978-1593275847", "0306406153", "978159327584X", "١٢٣٤٥٦٧٨٩٠", "二三四"]
)
def test_an_invalid_isbn_is_refused_with_a_reason(text: str):
    with pytest.raises(Malformed, match=r"ISBN|check digit"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "978\u20131\u201359327\u2013584\u20136",
        "978\u20101\u201159327\u2212584\u20436",
        "978\u00a01\u202f59327\u3000584\u20096",
        "\ufeff978\u00ad1593275846\u200b",
        "\u200e978\u20601593275846\u202c\u200f",
        "９７８１５９３２７５８４６",
        "٩٧٨-١٥٩٣٢٧٥٨٤٦",
        "978\t1593275846\n",
    ],
)
def test_dashes_spaces_invisible_marks_and_digits_of_any_script_are_understood(text: str):
    assert parse(text) == "9781593275846"


def test_a_full_width_x_is_a_check_digit():
    assert parse("０８０４４２９５７Ｘ") == parse("080442957X")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ISBN 978-1593275846", "'ISBN' is neither"),
        ("978-1593275846 (pbk.)", r"'\(PBK.\)' is neither"),
        ("978159327584O", "'O' is neither"),
        ("9781593275846\x00", r"'\\x00' is neither"),
        ("0317-8471", "8 digits, as an ISSN has"),
        ("2049-3630", "8 digits, as an ISSN has"),
    ],
)
def test_the_reason_shows_the_characters_that_are_left_over(text: str, message: str):
    with pytest.raises(Malformed, match=message):
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
