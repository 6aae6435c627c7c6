"""Request targets: their percent-encoding, query parameters, and the spelling of plain values."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from foundation.http.problem import Problem
from foundation.numbers import NUMBERS

_SPELLINGS = {**NUMBERS, "boolean": (re.compile("true|false"), "true or false")}
"""As JSON writes the values of a type; frameworks also accept ``1`` and ``TRUE``."""
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def has_broken_escape(target: bytes) -> bool:
    """Whether a ``%`` is not followed by two hexadecimal digits. Parsers differ in what they make of it."""
    return b"%" in target and _BROKEN_ESCAPE.search(target) is not None


def has_encoded_slash(scope: Any) -> bool:
    """Whether the path has a ``/`` as ``%2F``: it is part of a segment there, and separates none.

    ASGI's ``path`` is decoded and does not show it. A proxy that guards ``/inventory`` does not take
    ``/inventory%2F9780306406157`` for a part of it.
    """
    raw_path: bytes = scope.get("raw_path") or b""
    return b"%" in raw_path and b"%2f" in raw_path.lower()


def check_escapes(scope: Any) -> None:
    """Check the percent-encoding of the path and the query of a request. Raises Problem 400."""
    for part, text in (("path", scope.get("raw_path")), ("query", scope.get("query_string"))):
        if text and has_broken_escape(text):
            detail = f"the {part} is not percent-encoded: two hexadecimal digits follow %; % itself is %25"
            raise Problem(400, "malformed", detail)


def plain_type(schema: Mapping[str, Any]) -> str | None:
    """``integer``, ``number`` or ``boolean`` if a schema's values are that; null may be one of them."""
    choices = (schema, *schema.get("oneOf", ()), *schema.get("anyOf", ()))
    kinds = {kind for choice in choices for kind in _types(choice)} - {"null"}
    return kinds.pop() if len(kinds) == 1 and kinds <= _SPELLINGS.keys() else None


def _types(schema: Mapping[str, Any]) -> list[str]:
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def check_query(query: bytes, parameters: Collection[str], plain: Mapping[str, str] | None = None) -> None:
    """Accept each of ``parameters`` once in a query string, and no other. Raises Problem 400.

    ``plain`` has the type of those that are numbers or booleans.
    """
    if not query:
        return
    seen = set()
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise Problem(400, "malformed", f"the query is not percent-encoded UTF-8: {error}") from error
    for name, value in pairs:
        if name not in parameters:
            has = f"it has {', '.join(sorted(parameters))}" if parameters else "it has none"
            raise Problem(400, "unknown_parameter", f"{name[:40]!r} is no parameter of this route: {has}")
        if name in seen:
            raise Problem(400, "repeated_parameter", f"{name!r} is given twice")
        seen.add(name)
        kind = (plain or {}).get(name)
        if kind is not None and _SPELLINGS[kind][0].fullmatch(value) is None:
            raise Problem(400, "malformed", f"{name} is {_SPELLINGS[kind][1]}, not {value[:40]!r}")
