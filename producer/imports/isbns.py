"""ISBNs as spreadsheets and exports leave them."""

import re
from collections.abc import Callable, Iterable

from foundation.text import Malformed
from inventory.isbn import plain

MIN_EVIDENCE = 20
"""ISBN-10 without their leading zero that show that a column was read as numbers."""
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE][+-]?\d+")
_QUOTED = re.compile(r'="(.*)"')
_DECIMAL = re.compile(r"(\d{7,13})\.0+")
_ONE_ZERO_SHORT = re.compile(r"\d{8}[\dXx]")
_LIKE_AN_ISSN = re.compile(r"\d{6,7}[\dXx]")


def repaired(text: str, zeros_dropped: Callable[[], bool] = lambda: False) -> str:
    """The ISBN that was in this cell before a spreadsheet changed it.

    ``="0439023483"`` loses its wrapping, ``439023483.0`` its decimals. An ISBN-10 that lost leading zeros,
    because it was read as a number, gets them back. Any other text is left to the usual check.

    An ISSN with two zeros before it is always a valid ISBN-10. Two or three zeros are therefore added only if
    the whole column has lost its zeros: ``zeros_dropped`` is called to find out.

    Raises Malformed for scientific notation, which has lost digits, and for a possible ISSN.
    """
    if len(text) in (10, 13) and text.isdigit():
        return text
    text = _unwrapped(text)
    if _SCIENTIFIC.fullmatch(text):
        raise Malformed(
            "isbn",
            f"{text[:40]!r} is in scientific notation, so a spreadsheet has dropped its last digits: save "
            "the column as text and export again, or map another column",
        )
    if _LIKE_AN_ISSN.fullmatch(text):
        if not zeros_dropped():
            raise Malformed(
                "isbn",
                f"{text!r} has {len(text)} digits: an ISSN is no ISBN, and an ISBN-10 that lost its zeros "
                "looks like one; write it with its zeros",
            )
        return text.rjust(10, "0")
    return "0" + text if _ONE_ZERO_SHORT.fullmatch(text) else text


def have_lost_zeros(cells: Iterable[str]) -> bool:
    """Whether a column was read as numbers.

    It was if many of its cells are ISBN-10 without their leading zero, at least twice as many as the cells
    that lack more, and if no short cell begins with a zero.
    """
    one_short = shorter = 0
    for cell in cells:
        text = _unwrapped(cell)
        if len(text) < 10 and text.startswith("0"):
            return False
        if _ONE_ZERO_SHORT.fullmatch(text):
            one_short += _is_isbn10("0" + text)
        elif _LIKE_AN_ISSN.fullmatch(text):
            shorter += 1
    return one_short >= max(MIN_EVIDENCE, 2 * shorter)


def _unwrapped(text: str) -> str:
    # A spreadsheet's mark of a text
    text = text.strip().removeprefix("'")
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1].strip()
    if not text.isascii():
        text = plain(text)
    decimal = _DECIMAL.fullmatch(text)
    return decimal[1] if decimal else text


def _is_isbn10(text: str) -> bool:
    digits = [10 if character in "Xx" else int(character) for character in text]
    return sum(weight * digit for weight, digit in zip(range(10, 0, -1), digits, strict=True)) % 11 == 0
