"""Concurrent callers of gateways, and the result of each call."""

import http.client
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec

from inventory.commands import AddCopies, Command
from tests.support.producer.gateway_process import GatewayProcess


class CallResult(NamedTuple):
    """The status of a command's response; None if the connection broke."""

    key: str
    isbn: str
    status: int | None


class Callers:
    """Threads that add copies to titles until the context ends."""

    def __init__(self, gateways: Sequence[GatewayProcess], titles: Sequence[str], count: int = 8) -> None:
        self.told: list[CallResult] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._call,
                args=(gateways[n % len(gateways)], titles[n // len(gateways) % len(titles)]),
            )
            for n in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def count(self, status: int | None) -> int:
        """The number of commands with this status."""
        return sum(one.status == status for one in self.told)

    def keys(self, fits: Callable[[CallResult], bool]) -> set[str]:
        """Keys of commands for which ``fits`` is true."""
        return {one.key for one in self.told if fits(one)}

    def _call(self, gateway: GatewayProcess, isbn: str) -> None:
        while not self._stop.is_set():
            key = uuid4().hex
            # One connection per command, because the server may close an idle one at any moment
            connection = http.client.HTTPConnection("127.0.0.1", gateway.settings.gateway_port, timeout=60)
            try:
                connection.connect()
            except OSError:
                return
            try:
                self.told.append(CallResult(key, isbn, _status(connection, AddCopies(isbn, 1), key)))
            finally:
                connection.close()


def _status(connection: http.client.HTTPConnection, command: Command, key: str) -> int | None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Connection": "close"}
    try:
        connection.request("POST", "/commands", msgspec.json.encode(command), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
