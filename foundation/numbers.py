"""The one spelling of numbers in settings, options and requests: that of JSON."""

import re

NUMBERS = {
    "integer": (re.compile("-?(?:0|[1-9][0-9]*)"), "a whole number, as 50"),
    "number": (re.compile("-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?"), "a number, as 2.5"),
}
"""By the type that a JSON schema names: its values as JSON writes them, and an example.

Python's ``int``, and with it frameworks, also accept ``+5``, ``1_0``, spaces, the digits of other scripts;
msgspec accepts ``8e3`` for a whole number.
"""


def is_number(kind: str, text: str) -> bool:
    """Whether ``text`` is written as JSON writes a value of this type."""
    return NUMBERS[kind][0].fullmatch(text) is not None
