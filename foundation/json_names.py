"""Names in JSON objects: one that occurs twice is refused, because parsers differ in the value they take."""

import json
from typing import Any

from foundation.text import Malformed


def require_unique_names(text: str | bytes) -> None:
    """Check the names of every object in a JSON text that a decoder has accepted. Raises Malformed."""
    try:
        # Numbers are left as they are: Python refuses to convert very long ones
        json.loads(text, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise Malformed("body", "the JSON is nested too deeply") from error


def _unique(members: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for name, _ in members:
        if name in seen:
            raise Malformed(name, f"the member {name!r} occurs more than once")
        seen.add(name)
