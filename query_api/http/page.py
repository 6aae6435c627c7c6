"""The page for browsers: its views, each at a URL of its own, and its files below ``/page/``."""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from foundation.http.headers import Headers, joined_header
from foundation.http.problem import Problem
from foundation.http.responses import HttpResponse, render_problem, send_response
from foundation.http.targets import has_encoded_slash
from foundation.settings import Settings
from query_api.http.page_files import PREFIX, PageFile, page_files
from query_api.http.page_gateway import gateways_for_page, origin_of

VIEWS = frozenset({"/", "/desk", "/loans", "/events", "/operations"})
"""URLs of views, besides those of titles."""
TITLE_VIEW = "/titles/"
"""With an ISBN after it."""
PATRON_VIEW = "/patrons/"
"""With a token after it. Its URLs are also those of a route of the API, as API_ROUTES."""
API_ROUTES = frozenset({"/loans", "/events", "/operations"})
"""Views whose URL is also a route of the API: it answers unless a request prefers HTML."""
_VARY_ACCEPT = (b"vary", b"Accept")
_VARY_ENCODING = (b"vary", b"Accept-Encoding")


class Page:
    """ASGI: answers requests for the page; passes others to ``app``."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._index, self._files = page_files()
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Any = scope
        if request["type"] != "http" or has_encoded_slash(request):
            await self._app(scope, receive, send)
            return
        path = request["path"]
        if request["method"] != "GET":
            if path in self._files or (is_view(path) and not is_route(path)):
                await send_response(send, _not_get(request["method"]))
            else:
                await self._app(scope, receive, send)
        elif (file := self._files.get(path)) is not None:
            await send_response(send, self._response(request, file, [_VARY_ENCODING]))
        elif not is_view(path):
            await self._app(scope, receive, send)
        elif is_route(path) and not prefers_html(request["headers"], otherwise=False):
            await self._app(scope, receive, _with_header(send, _VARY_ACCEPT))
        elif not is_route(path) and not prefers_html(request["headers"], otherwise=True):
            problem = Problem(404, "no_such_route", "there is no such route; /openapi.json lists them")
            await send_response(send, render_problem(problem), [_VARY_ACCEPT])
        else:
            vary = [_VARY_ACCEPT, _VARY_ENCODING]
            await send_response(send, self._response(request, self._index, vary))

    def _response(self, request: Any, file: PageFile, more: Headers) -> HttpResponse:
        host = joined_header(request["headers"], b"host") or ""
        headers = [
            (b"content-type", file.media_type.encode()),
            (b"content-security-policy", content_policy(gateways_for_page(self._settings, host)).encode()),
            (b"cross-origin-opener-policy", b"same-origin"),
            *more,
        ]
        if accepts(joined_header(request["headers"], b"accept-encoding") or "", "gzip"):
            headers += [(b"content-encoding", b"gzip"), (b"etag", file.compressed_etag.encode())]
            return HttpResponse(200, headers, file.compressed)
        return HttpResponse(200, [*headers, (b"etag", file.plain_etag.encode())], file.plain)


def _not_get(method: str) -> HttpResponse:
    """The answer to another method; HEAD is a GET here."""
    if method == "OPTIONS":
        return HttpResponse(204, [(b"allow", b"GET, OPTIONS")], b"")
    detail = "the page is only read: the Allow header names its methods"
    return render_problem(Problem(405, "method_not_allowed", detail, headers={"Allow": "GET, OPTIONS"}))


def is_view(path: str) -> bool:
    """Whether ``path`` is a view's URL."""
    for view in (TITLE_VIEW, PATRON_VIEW):
        if path.startswith(view):
            return "/" not in path[len(view) :] and len(path) > len(view)
    return path in VIEWS


def is_route(path: str) -> bool:
    """Whether a view's URL is also a route of the API."""
    return path in API_ROUTES or path.startswith(PATRON_VIEW)


def content_policy(gateways: list[str]) -> str:
    """The Content-Security-Policy of the page, which sends commands to the gateways at these URLs."""
    connect = " ".join(["'self'", *filter(None, map(origin_of, gateways))])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def prefers_html(headers: Any, *, otherwise: bool) -> bool:
    """Whether a request wants HTML rather than JSON (RFC 9110, 12.5.1); ``otherwise`` if it wants both alike.

    Programs send no Accept header, or one for everything: only a browser names HTML.
    """
    accept = joined_header(headers, b"accept") or "*/*"
    html = _quality(accept, ("text/html", "text/*", "*/*"))
    json = _quality(accept, ("application/json", "application/*", "*/*"))
    return html > json or (html == json and html > 0 and otherwise)


def accepts(header: str, name: str) -> bool:
    """Whether a header that lists names with qualities has ``name``, or ``*``, with more than 0."""
    return _quality(header, (name, "*")) > 0


def _quality(header: str, ranges: tuple[str, ...]) -> float:
    """The quality that ``header`` gives to the first of ``ranges`` that it has; 0 if it has none."""
    qualities: dict[str, float] = {}
    for entry in header.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        qualities[name] = quality
    return next((qualities[name] for name in ranges if name in qualities), 0.0)


def _with_header(send: Send, header: tuple[bytes, bytes]) -> Any:
    async def send_with_header(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], header]
        await send(message)

    return send_with_header


__all__ = ["API_ROUTES", "PREFIX", "TITLE_VIEW", "VIEWS", "Page", "content_policy", "is_view", "prefers_html"]
