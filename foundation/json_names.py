"""Names in JSON objects: one that occurs twice is refused, because parsers differ in the value they take."""

import json
import re
from typing import Any

from foundation.text import Malformed

MOST_NESTED = 100
"""Arrays and objects within each other. Decoders exhaust the stack at ten times as many."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def require_unique_names(text: str | bytes) -> None:
    """Check the names of every object in a JSON text, and how deeply it is nested.

    Raises Malformed, and another ValueError for what is no JSON.
    """
    try:
        # Numbers are left as they are: Python refuses to convert very long ones
        json.loads(text, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise Malformed("body", "the JSON is nested too deeply") from error
    if _nesting(text if isinstance(text, str) else text.decode()) > MOST_NESTED:
        raise Malformed("body", "the JSON is nested too deeply")


def _nesting(text: str) -> int:
    """How deeply valid JSON is nested."""
    if text.count("[") + text.count("{") <= MOST_NESTED:
        return 0
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}":
                depth -= 1
    return deepest


def _unique(members: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for name, _ in members:
        if name in seen:
            raise Malformed(name, f"the member {name!r} occurs more than once")
        seen.add(name)
