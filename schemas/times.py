"""RFC 3339 times in answers and parameters. Inside, a time is milliseconds since 1970, UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
FIRST_MS, LAST_MS = -62135596800000, 253402300799999
"""The range of RFC 3339: year 1 to year 9999."""

_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


class BadTime(ValueError):
    """The text is no RFC 3339 time; the message says why."""


def rfc3339(ms: int) -> str:
    """``1714564800123`` as ``2024-05-01T12:00:00.123Z``; beyond the range, its nearest end."""
    at = _EPOCH + timedelta(milliseconds=min(max(ms, FIRST_MS), LAST_MS))
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


@lru_cache(256)
def parse_time(text: str) -> int:
    """Milliseconds of an RFC 3339 time; finer digits are cut off. Raises BadTime.

    Cached: who looks into the past asks for titles and pages of the same moment.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadTime(
            f"{text[:40]!r} is no time with an offset, for example 2026-05-09T12:00:00Z or "
            "2026-05-09T14:00:00+02:00 (in a URL, write %2B instead of +)"
        )
    day, clock, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{zone}")
        whole = (at - _EPOCH) // _MS
    except (ValueError, OverflowError) as error:
        raise BadTime(f"{text[:40]!r} is no time: {error}") from error
    return whole + int((fraction or ".0")[1:4].ljust(3, "0"))
