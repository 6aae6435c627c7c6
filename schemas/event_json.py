"""An event as JSON, the same in every answer and output."""

import json
from functools import cache
from typing import Any

from msgspec.structs import asdict

from schemas.codec import newest
from schemas.events import Event
from schemas.times import rfc3339

_ENVELOPE = ("isbn", "timestamp")
"""Shown beside the event's own fields, under names of their own."""


def event_data(event: Event) -> dict[str, Any]:
    """The event's own fields: without ISBN and time, without unset fields, times in RFC 3339."""
    times = time_fields(type(event).__name__)
    return {
        name: rfc3339(value) if name in times else value
        for name, value in asdict(event).items()
        if name not in _ENVELOPE and value is not None
    }


@cache
def time_fields(subject: str) -> frozenset[str]:
    """Names of the fields that are points in time: those with the logical type ``timestamp-millis``."""
    fields = json.loads(newest(subject).text)["fields"]
    return frozenset(field["name"] for field in fields if _is_time(field["type"]))


def _is_time(kind: Any) -> bool:
    if isinstance(kind, list):
        return any(_is_time(member) for member in kind)
    return isinstance(kind, dict) and kind.get("logicalType") == "timestamp-millis"
