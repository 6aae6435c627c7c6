"""Readiness, liveness, trouble and held titles, as query API and gateway report them over HTTP."""

from typing import Any

from foundation.http.client import NoAnswer, Response, Service

API = "api"
GATEWAY = "gateway"


def is_ready(url: str, service: str, timeout: float = 2.0) -> bool:
    """Whether this service answers at ``url`` and reports that it is ready; no other program counts."""
    response = _readiness(url, service, timeout)
    return response is not None and response.status == 200


def is_alive(url: str, service: str, timeout: float = 2.0) -> bool:
    """Whether this service answers at ``url``, ready or not."""
    return _readiness(url, service, timeout) is not None


def _readiness(url: str, service: str, timeout: float) -> Response | None:
    """The answer of ``/readyz``, if it comes from this service."""
    try:
        with Service(url, timeout) as connection:
            response = connection.get(("readyz",), {})
            report = response.value
    except (NoAnswer, ValueError):
        return None
    return response if isinstance(report, dict) and report.get("service") == service else None


def trouble_of(url: str, service: str, timeout: float = 2.0) -> str:
    """Why the server is not ready, or can't read or write at the moment, as it reports; "" if all is well.

    ``/readyz`` reports one trouble, or one for each partition: this returns the first.
    """
    try:
        with Service(url, timeout) as connection:
            response = connection.get(("readyz",), {})
            report: Any = response.value
    except NoAnswer as error:
        return str(error)
    except ValueError:
        report = None
    if not isinstance(report, dict) or report.get("service", service) != service:
        return f"another program answers at {url}"
    if trouble := report.get("trouble") or next(iter(report.get("troubles", {}).values()), ""):
        return str(trouble)
    return "" if response.status == 200 else "it has not caught up yet"


def held_count(api: str, timeout: float = 2.0) -> int | None:
    """Number of held titles; None if the query API does not answer."""
    try:
        with Service(api, timeout) as service:
            response = service.get(("stats",), {})
    except NoAnswer:
        return None
    return int(response.value["held"]) if response.status == 200 else None
