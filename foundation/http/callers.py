"""What both HTTP services do with every request: check whose name it asks for, and tell its errors."""

import ipaddress
import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foundation.http.problem import PROBLEM_JSON, Problem
from foundation.settings import Settings

if TYPE_CHECKING:
    from litestar import Request, Response

log = logging.getLogger(__name__)


class AllowedHosts:
    """Which ``Host`` and ``Origin`` headers are accepted, so that a foreign web page reaches nothing here.

    A page can make a browser send requests to 127.0.0.1, either from its own origin or under its own name
    (DNS rebinding). Accepted are ``localhost``, addresses, and the names in the settings: those are not
    names that a stranger controls; and of pages only those that came from the same host and port.
    """

    def __init__(self, settings: Settings) -> None:
        named = (_name(urlsplit(url).netloc) for url in (settings.api, settings.gateway))
        self._names = {"localhost", settings.host.lower(), *named} - {""}
        self.knows = lru_cache(maxsize=256)(self._knows)

    def check(self, host: str | None, origin: str | None) -> None:
        """Accept a request by its headers. Raises Problem: 400 or 421 for the host, 403 for the origin."""
        if host is None:
            raise Problem(400, "no_host", "the Host header is missing")
        if not self.knows(host):
            raise Problem(
                421,
                "unknown_host",
                f"the Host header names {host[:100]!r}, which is not this service: use its address, "
                "localhost, or the name in the settings `api` and `gateway`",
            )
        if origin is not None and origin.partition("://")[2] != host:
            raise Problem(403, "foreign_origin", f"pages of {origin[:100]!r} may not use this service")

    def _knows(self, host: str) -> bool:
        """Whether ``host``, with or without a port, is a name of this service or any address."""
        name = _name(host)
        return name in self._names or _is_address(name)


def problem_response(request: "Request[Any, Any, Any]", error: Exception) -> "Response[bytes]":
    """Litestar's exception handler for everything: the problem as it is, the framework's, or a 500."""
    from litestar import Response

    problem = as_problem(error)
    if problem.status == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(
        problem.body(), status_code=problem.status, media_type=PROBLEM_JSON, headers=problem.headers
    )


def as_problem(error: Exception) -> Problem:
    """The problem that ``error`` is to the caller; what the service did not foresee stays in its log."""
    from litestar.exceptions import HTTPException, ValidationException

    match error:
        case Problem():
            return error
        case ValidationException():
            return Problem(400, "malformed", _explained(error.extra) or error.detail)
        case HTTPException() if error.status_code < 500:
            headers = {name.title(): value for name, value in (error.headers or {}).items()}
            status = error.status_code
            code = _CODES.get(status, "malformed")
            return Problem(status, code, _DETAILS.get(status) or error.detail, headers=headers)
        case _:
            return Problem(500, "internal", "something went wrong here, the log says what; try again")


_CODES = {404: "no_such_route", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
_DETAILS = {
    404: "there is no such route; /openapi.json lists them",
    405: "the route exists, but not for this method; the Allow header names those it has",
}


def _explained(extra: Any) -> str:
    """Litestar's list of what failed validation as one sentence."""
    entries: Iterable[Any] = extra if isinstance(extra, list) else ()
    return "; ".join(f"{entry.get('key', 'body')}: {entry.get('message', 'invalid')}" for entry in entries)


def _name(host: str) -> str:
    """Without the port, and an IPv6 address without its brackets; empty for what is no host."""
    if len(host) > 260 or set(host) & set("/?#@\\ "):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
