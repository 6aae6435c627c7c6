"""Due dates of loans."""

from datetime import datetime, time, timedelta, tzinfo


def due_at(borrowed_at: int, days: int, zone: tzinfo) -> int:
    """The last millisecond, in ``zone``, of the day ``days`` after ``borrowed_at`` (both ms, UTC)."""
    day = datetime.fromtimestamp(borrowed_at / 1000, zone).date() + timedelta(days=days + 1)
    midnight = datetime.combine(day, time(), zone)
    return round(midnight.timestamp() * 1000) - 1
