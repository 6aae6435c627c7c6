"""A client of HTTP services that answer with JSON. Standard library only: a command must start quickly."""

import http.client
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit


class NoAnswer(Exception):
    """Nothing answers at the address; the message has the address and the reason."""


class Response(NamedTuple):
    """A service's response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """The body's JSON; a problem document for an error."""
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The sentence of a problem document; the status where there is none."""
        try:
            return str(self.value["detail"])
        except (ValueError, LookupError, TypeError):
            return f"status {self.status}"

    @property
    def code(self) -> str:
        """The code of a problem document; empty where there is none."""
        try:
            return str(self.value["code"])
        except (ValueError, LookupError, TypeError):
            return ""


class Service:
    """One connection to the service at ``url``, opened when it is needed. Not thread-safe.

    ``timeout`` is in seconds. Raises NoAnswer for a URL that is not an HTTP service's.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        try:
            parts = urlsplit(url)
            self._prefix = parts.path.rstrip("/")
            self._connection = kinds[parts.scheme](parts.hostname or "", parts.port, timeout=timeout)
            if not parts.hostname:
                raise ValueError
        except (LookupError, ValueError, http.client.InvalidURL) as error:
            raise NoAnswer(f"{url!r} is not the address of a service, as http://127.0.0.1:8080") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, segments: tuple[str, ...], parameters: Mapping[str, str | None]) -> Response:
        """GET the path made of ``segments``. Parameters that are None are left out. Raises NoAnswer."""
        path = self._path(segments)
        present = {name: value for name, value in parameters.items() if value is not None}
        return self._twice("GET", f"{path}?{urlencode(present)}" if present else path)

    def search(self, segments: tuple[str, ...], filters: Mapping[str, Any]) -> Response:
        """POST the filters as JSON: what they say is in no URL. Those that are None are left out.

        Only for a path where nothing is changed: the request may be sent twice. Raises NoAnswer.
        """
        present = {name: value for name, value in filters.items() if value is not None}
        return self._twice("POST", self._path(segments), json.dumps(present).encode())

    def _path(self, segments: tuple[str, ...]) -> str:
        return self._prefix + "".join(f"/{quote(segment, safe='')}" for segment in segments)

    def _twice(self, method: str, target: str, body: bytes | None = None) -> Response:
        kept_open = self._connection.sock is not None
        try:
            return self._once(method, target, body)
        except (OSError, http.client.HTTPException) as error:
            if not kept_open:
                raise self._no_answer(error) from error
        # The service may have closed a connection that was idle
        try:
            return self._once(method, target, body)
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error

    def _once(self, method: str, target: str, body: bytes | None) -> Response:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            return Response(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def _no_answer(self, error: Exception) -> NoAnswer:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return NoAnswer(f"nothing answers at {self.url} ({why})")
