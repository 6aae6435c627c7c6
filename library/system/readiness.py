"""Readiness, trouble and held titles, as query API and gateway report them over HTTP."""

from foundation.http.client import NoAnswer, Service


def is_ready(url: str, timeout: float = 2.0) -> bool:
    """Whether the server's ``/readyz`` reports that it is ready."""
    try:
        with Service(url, timeout) as service:
            return service.get(("readyz",), {}).status == 200
    except NoAnswer:
        return False


def trouble_of(url: str, timeout: float = 2.0) -> str:
    """Why the server is not ready, or can't read or write at the moment, as it reports; "" if all is well.

    ``/readyz`` reports one trouble, or one for each partition: this returns the first.
    """
    try:
        with Service(url, timeout) as service:
            answer = service.get(("readyz",), {})
            report = answer.value
    except (NoAnswer, ValueError) as error:
        return str(error)
    if trouble := report.get("trouble") or next(iter(report.get("troubles", {}).values()), ""):
        return str(trouble)
    return "" if answer.status == 200 else "it has not caught up yet"


def held_count(api: str, timeout: float = 2.0) -> int | None:
    """Number of held titles; None if the query API does not answer."""
    try:
        with Service(api, timeout) as service:
            answer = service.get(("stats",), {})
    except NoAnswer:
        return None
    return int(answer.value["held"]) if answer.status == 200 else None
