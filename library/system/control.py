"""The supervisor's control socket: one JSON object a line, each answered by one."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
SOCKET = "control.sock"


class NotRunning(Exception):
    """No supervisor answers there."""


class Refused(Exception):
    """The supervisor said no, and why."""


class Session:
    """One client's connection, as the supervisor sees it; what it undoes when the client is gone."""

    def __init__(self) -> None:
        self.at_end: list[Callable[[], None]] = []


Handler = Callable[[str, Session], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def serving(data_dir: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer in ``data_dir``, for this user only, while the block runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(line, handler, session)).encode() + b"\n")
                await writer.drain()
        for undo in session.at_end:
            undo()
        writer.close()

    (data_dir / SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    # A socket's path is at most 100 bytes or so: a relative one always fits
    with contextlib.chdir(data_dir):
        listening.bind(SOCKET)
    (data_dir / SOCKET).chmod(0o600)
    server = await asyncio.start_unix_server(serve, sock=listening)
    try:
        yield
    finally:
        server.close()
        (data_dir / SOCKET).unlink(missing_ok=True)


async def _answer(line: bytes, handler: Handler, session: Session) -> Answer:
    try:
        return await handler(str(json.loads(line)["do"]), session)
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"not understood: {error}"}
    except Refused as error:
        return {"error": str(error)}


class Control:
    """A client's connection to a supervisor."""

    def __init__(self, data_dir: Path, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        try:
            with contextlib.chdir(data_dir):
                self._socket.connect(SOCKET)
        except OSError as error:
            self._socket.close()
            raise NotRunning(f"no system runs in {data_dir}") from error
        self._lines = self._socket.makefile("rb")

    def ask(self, what: str) -> Answer:
        """Have something done; what the supervisor answers. Raises Refused, NotRunning when it is gone."""
        try:
            self._socket.sendall(json.dumps({"do": what}).encode() + b"\n")
            line = self._lines.readline()
        except OSError as error:
            raise NotRunning(f"the supervisor does not answer: {error}") from error
        if not line:
            raise NotRunning("the supervisor ended")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def close(self) -> None:
        """End the connection; the supervisor undoes what was only for its time."""
        self._lines.close()
        self._socket.close()


@contextlib.contextmanager
def connected(data_dir: Path, timeout: float = 60.0) -> Iterator[Control]:
    """A connection for the block to the supervisor of ``data_dir``. Raises NotRunning."""
    control = Control(data_dir, timeout)
    try:
        yield control
    finally:
        control.close()
