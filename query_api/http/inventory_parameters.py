"""The query parameters of the inventory in their ordinary form, parsed without the framework."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from foundation.http.targets import has_broken_escape
from query_api.http.freshness import LONGEST_TIMEOUT_S
from query_api.http.parameters import (
    LARGEST_LIMIT,
    LONGEST_CURSOR,
    LONGEST_POSITION,
    LONGEST_TIME,
    LONGEST_WORDS,
    POSITION,
)
from query_api.queries.page import SORTS

Parameters = dict[str, Any]

_NUMBER = re.compile("[1-9][0-9]{0,17}").fullmatch
_SECONDS = re.compile(r"(?:0|[1-9][0-9]?)(?:\.[0-9]{1,3})?").fullmatch
_POSITION = re.compile(POSITION).fullmatch
_BOOLEANS = {"true": True, "false": False}


def parse_ordinary(query: bytes, parsers: Mapping[str, Callable[[str], Any]]) -> Parameters | None:
    """The parameters in a query string by name, as the routes declare them.

    None unless each is one of ``parsers``, occurs once and has a usual value: the framework decides then.
    """
    parameters: Parameters = {}
    if has_broken_escape(query):
        return None
    try:
        for part in query.decode("ascii").split("&"):
            name, _, value = part.partition("=")
            if "%" in value or "+" in value:
                value = unquote_plus(value, errors="strict")
            parsed = parsers[name](value)
            if parsed is None or name in parameters:
                return None
            parameters[name] = parsed
    except (KeyError, UnicodeError):
        return None
    return parameters


def _number_up_to(most: int) -> Callable[[str], int | None]:
    return lambda text: int(text) if _NUMBER(text) and int(text) <= most else None


def _text_up_to(characters: int) -> Callable[[str], str | None]:
    return lambda text: text if 0 < len(text) <= characters else None


def _position(text: str) -> str | None:
    return text if len(text) <= LONGEST_POSITION and _POSITION(text) else None


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS(text) and float(text) <= LONGEST_TIMEOUT_S else None


PAGE: Mapping[str, Callable[[str], Any]] = {
    "limit": _number_up_to(LARGEST_LIMIT),
    "cursor": _text_up_to(LONGEST_CURSOR),
    "q": _text_up_to(LONGEST_WORDS),
    "author": _text_up_to(LONGEST_WORDS),
    "available": _BOOLEANS.get,
    "held": _BOOLEANS.get,
    "sort": lambda text: text if text in SORTS else None,
    "at": _text_up_to(LONGEST_TIME),
}
"""Of ``GET /inventory``."""
PAST_TITLE: Mapping[str, Callable[[str], Any]] = {
    "at": _text_up_to(LONGEST_TIME),
    "version": _number_up_to(10**18),
}
"""Of ``GET /inventory/{isbn}`` in the past."""
FRESH_TITLE: Mapping[str, Callable[[str], Any]] = {"after": _position, "timeout": _seconds}
"""Of ``GET /inventory/{isbn}``, when it waits."""
