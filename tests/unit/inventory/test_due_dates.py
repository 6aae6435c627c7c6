from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from inventory.due_dates import due_at


@pytest.mark.parametrize(
    ("borrowed", "zone", "due"),
    [
        ("2026-01-01T12:00:00+00:00", "UTC", "2026-01-22T23:59:59.999+00:00"),
        ("2026-03-10T12:00:00+00:00", "Europe/Prague", "2026-03-31T23:59:59.999+02:00"),
        ("2026-03-10T23:30:00+00:00", "Europe/Prague", "2026-04-01T23:59:59.999+02:00"),
    ],
)
def test_a_loan_is_due_at_the_end_of_a_day_also_when_the_clocks_change(borrowed: str, zone: str, due: str):
    at = round(datetime.fromisoformat(borrowed).timestamp() * 1000)
    ends = datetime.fromtimestamp(due_at(at, 21, ZoneInfo(zone)) / 1000, UTC)
    assert ends == datetime.fromisoformat(due)
