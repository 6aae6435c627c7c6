"""Exceptions as problem documents: our own, the framework's, and those that nobody foresaw."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from foundation.http.problem import PROBLEM_JSON, Problem

log = logging.getLogger(__name__)

_CODES = {404: "no_such_route", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
_DETAILS = {
    404: "there is no such route; /openapi.json lists them",
    405: "the route exists, but not for this method; the Allow header names those it has",
}


def problem_response(
    request: Request[Any, Any, Any], error: Exception, adapt: Callable[[str, Problem], Problem] | None = None
) -> Response[bytes]:
    """Litestar's handler for all exceptions: the problem document of ``error``.

    ``adapt`` may change it, given the request's path.
    """
    problem = as_problem(error)
    if adapt is not None:
        problem = adapt(request.url.path, problem)
    if problem.status == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(
        problem.body(), status_code=problem.status, media_type=PROBLEM_JSON, headers=problem.headers
    )


def as_problem(error: Exception) -> Problem:
    """``error`` as a problem: an unforeseen one becomes a 500 that reveals nothing about it."""
    match error:
        case Problem():
            return error
        case ValidationException():
            return Problem(400, "malformed", _summary(error.extra) or error.detail)
        case HTTPException() if error.status_code < 500:
            headers = {name.title(): value for name, value in (error.headers or {}).items()}
            status = error.status_code
            code = _CODES.get(status, "malformed")
            return Problem(status, code, _DETAILS.get(status) or error.detail, headers=headers)
        case _:
            return Problem(500, "internal", "something went wrong here; the service's log says what")


def _summary(extra: Any) -> str:
    """Litestar's list of validation errors as one sentence."""
    entries: Iterable[Any] = extra if isinstance(extra, list) else ()
    return "; ".join(map(_entry, entries))


def _entry(entry: Any) -> str:
    key, message = entry.get("key", "body"), entry.get("message", "invalid")
    if key == "data":
        # Litestar's name for the body, and its message where there is none
        key, message = "body", "it is empty" if message == "'data'" else message
    # A parameter that is a keyword of Python, as from, has another name inside
    return f"{key.removesuffix('_')}: {message}"
