"""HEAD for WSGI applications that know GET alone, such as Prometheus'."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def with_head(app: WSGIApplication) -> WSGIApplication:
    """``app``, which answers HEAD as a GET without its body (RFC 9110, 9.3.2)."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, start)
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def begin(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            begun.append((status, headers))

        length = sum(map(len, app({**environ, "REQUEST_METHOD": "GET"}, begin)))
        status, headers = begun[-1]
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start(status, [*kept, ("Content-Length", str(length))])
        return []

    return answer
