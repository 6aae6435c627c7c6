"""ISBNs as spreadsheets and exports leave them."""

import re

from foundation.text import Malformed

_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE][+-]?\d+")
_QUOTED = re.compile(r'="(.*)"')
_DECIMAL = re.compile(r"(\d{7,13})\.0+")
_STRIPPED = re.compile(r"\d{6,8}[\dXx]")


def repaired(text: str) -> str:
    """The ISBN that stood in this cell before a spreadsheet touched it.

    ``="0439023483"`` loses its wrapping, ``439023483.0`` its decimals, and what is shorter than an ISBN-10
    gets back the leading zeros that were dropped when the column was taken for numbers. Anything else stays
    for the usual check.

    Raises Malformed for scientific notation: its last digits are lost.
    """
    text = text.strip()
    if len(text) in (10, 13) and text.isdigit():
        return text
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1].strip()
    if _SCIENTIFIC.fullmatch(text):
        raise Malformed(
            "isbn",
            f"{text[:40]!r} is in scientific notation, so a spreadsheet has dropped its last digits: save "
            "the column as text and export again, or map another column",
        )
    if decimal := _DECIMAL.fullmatch(text):
        text = decimal[1]
    return text.rjust(10, "0") if _STRIPPED.fullmatch(text) else text
