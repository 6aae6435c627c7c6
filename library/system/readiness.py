"""Readiness, liveness, trouble and held titles, as query API and gateway report them over HTTP."""

from foundation.http.client import NoAnswer, Service
from foundation.http.readiness import another_program, read_readiness

API = "api"
GATEWAY = "gateway"
AUDIT = "audit"


def is_ready(url: str, service: str, timeout: float = 2.0) -> bool:
    """Whether this service answers at ``url`` and reports that it is ready; no other program counts."""
    return _status(url, service, timeout) == 200


def is_alive(url: str, service: str, timeout: float = 2.0) -> bool:
    """Whether this service answers at ``url``, ready or not."""
    return _status(url, service, timeout) is not None


def _status(url: str, service: str, timeout: float) -> int | None:
    """The status of ``/readyz``, if it comes from this service."""
    try:
        status, report = read_readiness(url, timeout)
    except NoAnswer:
        return None
    return status if report.get("service") == service else None


def trouble_of(url: str, service: str, timeout: float = 2.0) -> str:
    """Why the server is not ready, or can't read or write at the moment, as it reports; "" if all is well.

    ``/readyz`` reports one trouble, or one for each partition: this returns the first.
    """
    try:
        status, report = read_readiness(url, timeout)
    except NoAnswer as error:
        return str(error)
    if report.get("service", service) != service:
        return another_program(url)
    if trouble := report.get("trouble") or next(iter(report.get("troubles", {}).values()), ""):
        return str(trouble)
    return "" if status == 200 else "it has not caught up yet"


def held_count(api: str, timeout: float = 2.0) -> int | None:
    """Number of held titles; None if the query API does not answer."""
    try:
        with Service(api, timeout) as service:
            response = service.get(("stats",), {})
    except NoAnswer:
        return None
    return int(response.value["held"]) if response.status == 200 else None
