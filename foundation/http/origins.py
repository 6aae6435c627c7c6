"""Pages of other origins that may use a service (CORS): https://fetch.spec.whatwg.org/#http-cors-protocol."""

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from foundation.http.headers import SAFETY, Headers
from foundation.http.responses import HttpResponse, send_response
from foundation.settings import Settings

VARY: Headers = [(b"vary", b"Origin")]
"""On every response: a cache must not give a page the response to another page."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"http": 80, "https": 443}
_PREFLIGHT_AGE_S = 600
"""For this time a browser need not ask again."""


class PageOrigins:
    """The origins in the setting ``page_origins``; by default those of the query API, which serves the page.

    An entry ``:8080`` or ``:8080-8083`` means pages from these ports of the host that the request names. The
    names of the loopback interface are one host.
    """

    def __init__(self, settings: Settings) -> None:
        self._origins: set[tuple[str, str, int]] = set()
        self._ports: list[range] = []
        for entry in filter(None, map(str.strip, settings.page_origins.split(","))):
            if entry.startswith(":"):
                first, _, last = entry[1:].partition("-")
                self._ports.append(range(int(first), int(last or first) + 1))
            elif (origin := _parts(entry)) is not None:
                self._origins.add(origin)
        if not settings.page_origins and (api := _parts(settings.api)) is not None:
            scheme, host, port = api
            names = _LOOPBACK if host in _LOOPBACK else {host}
            self._origins = {(scheme, name, port) for name in names}
            self._ports = [range(port, port + 1)]
        self.allows = lru_cache(maxsize=256)(self._allows)

    def _allows(self, origin: str, host: str) -> bool:
        """Whether a page of ``origin`` may use the service that it addresses as ``host``."""
        page, service = _parts(origin), _parts(f"http://{host}")
        if page is None:
            return False
        if page in self._origins:
            return True
        same_host = service is not None and (
            page[1] == service[1] or (page[1] in _LOOPBACK and service[1] in _LOOPBACK)
        )
        return same_host and any(page[2] in ports for ports in self._ports)


def _parts(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None if it is not one, as ``null``."""
    try:
        parts = urlsplit(origin.lower())
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            return None
        return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError:
        return None


class PageAccess:
    """ASGI: lets the pages of ``origins`` read the responses of ``app``, and answers their preflights.

    ``app`` refuses pages of other origins, and adds VARY itself: requests without an Origin only pass.
    """

    def __init__(
        self, app: Any, origins: PageOrigins, *, methods: str, request_headers: str, response_headers: str
    ) -> None:
        self._app, self._origins = app, origins
        self._preflight: Headers = [
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-allow-headers", request_headers.encode()),
            (b"access-control-max-age", b"%d" % _PREFLIGHT_AGE_S),
            (b"cache-control", b"no-store"),
            (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
            *SAFETY,
        ]
        self._exposed = (b"access-control-expose-headers", response_headers.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        origin = None
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"origin":
                    origin = value
        if origin is None:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self._origins.allows(origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")):
            await self._app(scope, receive, send)
            return
        allowed = (b"access-control-allow-origin", origin)
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await send_response(send, HttpResponse(204, [allowed, *self._preflight], b""))
            return

        async def send_to_page(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], allowed, self._exposed]
            await send(message)

        await self._app(scope, receive, send_to_page)
