"""Identifiers of titles: EAN-13, which every ISBN-13 is."""

import re
import unicodedata
from functools import lru_cache

from foundation.text import Malformed

LONGEST = 100
"""Characters, hyphens and spaces included."""
_IN_HOUSE = range(200, 300)
"""GS1 prefixes for numbers that are valid only inside one organisation."""


@lru_cache(maxsize=1 << 15)
def parse(text: str) -> str:
    """The EAN-13, without hyphens, of an ISBN-10, ISBN-13 or other EAN-13. Raises Malformed."""
    if len(text) > LONGEST:
        raise Malformed("isbn", f"{text[:40]!r}… is no ISBN: it has {len(text)} characters")
    if _is_ean13(text):
        return text
    compact = plain(text).upper()
    return compact if _is_ean13(compact) else _validated(compact, repr(text[:40]))


def plain(text: str) -> str:
    """``text`` without spaces, hyphens and invisible characters of any script, and with ASCII digits."""
    if text.isascii():
        return "".join(text.replace("-", "").split())
    return "".join(map(_plain_character, text))


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    # Dashes, spaces, and marks that are not shown: soft hyphen, zero-width space, byte order mark, direction
    if (
        category in ("Pd", "Zs", "Cf")
        or character.isspace()
        or character in "\N{MINUS SIGN}\N{HYPHEN BULLET}"
    ):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return "X" if character in "\uff38\uff58" else character


def _validated(compact: str, shown: str) -> str:
    """The EAN-13 of an ISBN-10. Raises Malformed for anything else."""
    # Imported here because a command with a correct ISBN-13 needs none of it
    import stdnum.exceptions
    from stdnum import ean, isbn

    if not compact:
        raise Malformed("isbn", "the ISBN is empty")
    if rest := re.sub(r"[0-9]|X$", "", compact):
        raise Malformed("isbn", f"{shown} is no ISBN: {rest[:40]!r} is neither digit, hyphen nor final X")
    if len(compact) == 8:
        raise Malformed(
            "isbn", f"{shown} has 8 digits, as an ISSN has, which is no ISBN: 10 or 13 are needed"
        )
    if len(compact) not in (10, 13):
        raise Malformed("isbn", f"{shown} is no ISBN: 10 or 13 digits are needed, for example 978-1593275846")
    try:
        if len(compact) == 10:
            first = "978" + str(isbn.validate(compact))[:9]
            return first + str(ean.calc_check_digit(first))
        return str(ean.validate(compact))
    except stdnum.exceptions.InvalidChecksum as error:
        raise Malformed("isbn", f"{shown} has a wrong check digit: look for a typing error") from error
    except stdnum.exceptions.ValidationError as error:
        raise Malformed(
            "isbn", f"{shown} is no ISBN: only digits, hyphens and a final X belong in it"
        ) from error


def _is_ean13(text: str) -> bool:
    return len(text) == 13 and text.isascii() and text.isdigit() and _adds_up(text)


def _adds_up(digits: str) -> bool:
    """Whether the check digit is right. Own code: an import checks every row, and stdnum is slower."""
    # ASCII codes instead of digits: the offset of "0", 48, counts 25 times, which is a multiple of 10
    codes = digits.encode()
    return (sum(codes[::2]) + 3 * sum(codes[1::2])) % 10 == 0


def display(ean13: str) -> str:
    """The number as people write it: an ISBN with hyphens."""
    from stdnum import isbn

    return str(isbn.format(ean13)) if ean13.startswith(("978", "979")) else ean13


def in_house(number: int) -> str:
    """The EAN-13 number ``number`` (0 to 99,999,999,999) of the in-house range 200-299."""
    prefix, rest = divmod(number, 10**9)
    if prefix not in range(len(_IN_HOUSE)):
        raise ValueError(f"in-house numbers go up to {len(_IN_HOUSE) * 10**9 - 1}")
    from stdnum import ean

    digits = f"{_IN_HOUSE[prefix]}{rest:09d}"
    return digits + str(ean.calc_check_digit(digits))
