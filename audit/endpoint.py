"""The audit over HTTP: metrics, readiness, differences."""

from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from prometheus_client import make_wsgi_app

from audit.metrics import Metrics
from audit.report import Report
from foundation.http.addresses import family, resolve
from foundation.http.callers import AllowedHosts
from foundation.http.head import with_head
from foundation.http.problem import Problem
from foundation.http.server import claim
from foundation.settings import Settings

REQUEST_TIMEOUT_S = 30.0
_JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


class Endpoint:
    """Answers at the settings' ``audit_port`` in threads. Raises PortTaken and OSError."""

    def __init__(self, settings: Settings, report: Callable[[], Report]) -> None:
        self._hosts, self._report = AllowedHosts(settings), report
        self._metrics: WSGIApplication = make_wsgi_app(Metrics(report).registry)
        claim(settings.host, settings.audit_port)
        address = resolve(settings.host)
        kind: type[WSGIServer] = type("Server", (_Server,), {"address_family": family(address)})
        self._server: WSGIServer = make_server(
            address, settings.audit_port, with_head(self._answer), kind, _Handler
        )
        Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            self._hosts.check(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN"))
        except Problem as problem:
            return _json(start, f"{problem.status} Refused", {"error": problem.detail})
        if environ["REQUEST_METHOD"] != "GET":
            error = {"error": "only GET and HEAD"}
            return _json(start, "405 Method Not Allowed", error, [("Allow", "GET, HEAD")])
        report = self._report()
        match environ["PATH_INFO"]:
            case "/metrics":
                return self._metrics(environ, start)
            case "/healthz":
                return _json(start, "200 OK", {"status": "ok"})
            case "/readyz":
                return _json(start, "200 OK" if report.ready else "503 Service Unavailable", report)
        return _json(start, "404 Not Found", {"error": "there are /metrics, /readyz and /healthz"})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class calls it
        """Log no requests."""


def _json(start: StartResponse, status: str, value: Any, more: Sequence[tuple[str, str]] = ()) -> list[bytes]:
    # The server adds headers to the list that it gets
    start(status, [*_JSON, *more])
    return [msgspec.json.encode(value)]
