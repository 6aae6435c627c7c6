"""The supervisor's control socket: each line is a JSON request, answered by one JSON line."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

Reply = dict[str, Any]
SOCKET_FILE = "control.sock"
_CREDENTIALS = struct.Struct("iii")
"""Process, user and group at the other end of a socket, as Linux has them."""


class NotRunning(Exception):
    """No supervisor answers in this data directory."""


class NotAnswering(NotRunning):
    """A supervisor runs here, but does not answer; the message names its process."""


class RequestRefused(Exception):
    """The supervisor refuses the request; the message says why."""


class Session:
    """One client's connection; the supervisor runs ``at_end`` when it closes."""

    def __init__(self) -> None:
        self.at_end: list[Callable[[], None]] = []


Handler = Callable[[str, str, Session], Awaitable[Reply]]
"""Gets an action, the name of a process or "", and the session."""


@contextlib.asynccontextmanager
async def serving(data_dir: Path, handler: Handler) -> AsyncIterator[None]:
    """Serve requests in ``data_dir``, for this user only, during the block."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(line, handler, session)).encode() + b"\n")
                await writer.drain()
        for undo in session.at_end:
            undo()
        writer.close()

    (data_dir / SOCKET_FILE).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    # The path of a socket is limited to about 100 bytes: a relative path always fits
    with contextlib.chdir(data_dir):
        listening.bind(SOCKET_FILE)
    (data_dir / SOCKET_FILE).chmod(0o600)
    server = await asyncio.start_unix_server(serve, sock=listening)
    try:
        yield
    finally:
        server.close()
        (data_dir / SOCKET_FILE).unlink(missing_ok=True)


async def _answer(line: bytes, handler: Handler, session: Session) -> Reply:
    try:
        request = json.loads(line)
        action, name = str(request["do"]), str(request.get("name", ""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return {"error": f"malformed request: {error}"}
    try:
        return await handler(action, name, session)
    except RequestRefused as error:
        return {"error": str(error)}


class Control:
    """A client's connection to a supervisor."""

    def __init__(self, data_dir: Path, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            with contextlib.chdir(data_dir):
                self._socket.connect(SOCKET_FILE)
        except OSError as error:
            self._socket.close()
            raise NotRunning(f"no system runs in {data_dir}") from error
        self._lines = self._socket.makefile("rb")

    def request(self, action: str, name: str = "") -> Reply:
        """Send a request, return the reply.

        Raises RequestRefused, NotAnswering, and NotRunning if the supervisor is gone.
        """
        try:
            self._socket.sendall(json.dumps({"do": action, "name": name}).encode() + b"\n")
            line = self._lines.readline()
        except TimeoutError as error:
            raise NotAnswering(self._silence()) from error
        except OSError as error:
            raise NotRunning(f"the supervisor does not answer: {error}") from error
        if not line:
            raise NotRunning("the supervisor ended")
        reply: Reply = json.loads(line)
        if "error" in reply:
            raise RequestRefused(reply["error"])
        return reply

    def _silence(self) -> str:
        silence = f"the supervisor does not answer within {self._timeout_s:g} s"
        if not hasattr(socket, "SO_PEERCRED"):
            return f"{silence}: is its process stopped?"
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _, _ = _CREDENTIALS.unpack(credentials)
        return (
            f"{silence}: if its process {pid} is stopped, `kill -CONT {pid}` continues it; `kill -9 {pid}` "
            "ends it with all others"
        )

    def close(self) -> None:
        """Close the connection; the supervisor undoes a pause that was requested through it."""
        self._lines.close()
        self._socket.close()


@contextlib.contextmanager
def connected(data_dir: Path, timeout_s: float = 60.0) -> Iterator[Control]:
    """A connection to the supervisor of ``data_dir`` during the block. Raises NotRunning."""
    control = Control(data_dir, timeout_s)
    try:
        yield control
    finally:
        control.close()
