"""Times in answers and parameters: RFC 3339; inside, milliseconds since 1970, UTC."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
FIRST, LAST = -62135596800000, 253402300799999
"""What RFC 3339 can say: year 1 to year 9999."""

_FORM = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class BadTime(ValueError):
    """A text that names no point in time."""


def rfc3339(ms: int) -> str:
    """``1714564800123`` as ``2024-05-01T12:00:00.123Z``; what the format can't say, as its nearest."""
    at = _EPOCH + timedelta(milliseconds=min(max(ms, FIRST), LAST))
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_time(text: str) -> int:
    """Milliseconds of an RFC 3339 time; finer digits are cut off. Raises BadTime."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadTime(
            f"{text[:40]!r} is no time with an offset, for example 2026-05-09T12:00:00Z or "
            "2026-05-09T14:00:00+02:00 (in a URL, + is written %2B)"
        )
    day, clock, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{zone}")
        whole = (at - _EPOCH) // _MS
    except (ValueError, OverflowError) as error:
        raise BadTime(f"{text[:40]!r} is no time: {error}") from error
    return whole + int((fraction or ".0")[1:4].ljust(3, "0"))
