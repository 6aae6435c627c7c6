"""Times and days on the command line: a day is one of the library's time zone."""

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.times import BadTime, parse_time

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Moment(NamedTuple):
    """The first and the last millisecond (since 1970, UTC) of a day; for a time both are the same."""

    begin_ms: int
    end_ms: int


def parse_moment(text: str, timezone: str) -> Moment:
    """A time with an offset, or a day in ``timezone``, such as 2026-01-31. Raises BadTime."""
    text = text.strip()
    if not _DAY.fullmatch(text):
        try:
            ms = parse_time(text)
        except BadTime as error:
            raise BadTime(f"{error}; or a day such as 2026-01-31") from error
        return Moment(ms, ms)
    try:
        day = date.fromisoformat(text)
        return Moment(_midnight_ms(day, timezone), _midnight_ms(day + timedelta(days=1), timezone) - 1)
    except (ValueError, OverflowError) as error:
        raise BadTime(f"{text!r} is no day: {error}") from error


def _midnight_ms(day: date, timezone: str) -> int:
    return round(datetime.combine(day, time(), ZoneInfo(timezone)).timestamp() * 1000)
