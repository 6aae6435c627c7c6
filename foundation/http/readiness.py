"""The report of a service's ``/readyz``, whether it is ready or not."""

from typing import Any

from foundation.http.client import NoAnswer, Service

Report = dict[str, Any]


def read_readiness(url: str, timeout: float) -> tuple[int, Report]:
    """The status and the report, which names its ``service``.

    Raises NoAnswer, also if the answer is no report.
    """
    with Service(url, timeout) as connection:
        response = connection.get(("readyz",), {})
    try:
        report = response.value
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise NoAnswer(another_program(url))
    return response.status, report


def another_program(url: str) -> str:
    """Why the answer at ``url`` does not count."""
    return f"another program answers at {url}"
