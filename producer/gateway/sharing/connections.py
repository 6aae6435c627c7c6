"""HTTP requests to another gateway, over kept connections."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from time import monotonic
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 0.5
KEPT_S = 15.0
"""For which an idle connection is kept; granian closes one after 30 s."""


class NotConnected(Exception):
    """No connection could be opened: the other gateway has received nothing."""


class NoGatewaysAnswer(Exception):
    """The connection ended early, or what came over it is not the answer of a gateway."""


class Connections:
    """Connections to one address. All methods belong to one event loop.

    A request takes 40 µs of the processor here and 130 µs with aiohttp's client, which was a fifth of what a
    forwarded command costs. The class may go once ``make bench-gateways`` does not notice.
    """

    def __init__(self, address: str, path: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(address)
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        lines = [f"POST {parts.path.rstrip('/')}{path} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join(lines).encode("latin-1")
        self._idle: list[tuple[StreamReader, StreamWriter, float]] = []
        """The connections, and since when each is idle."""

    async def post(self, body: bytes) -> bytes:
        """Send a request, and return the body of an answer with status 200.

        Raises NotConnected, NoGatewaysAnswer, OSError.
        """
        reader, writer = self._kept() or await self._connect()
        answered = False
        try:
            writer.write(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
            await writer.drain()
            status, keep, answer = await _answer(reader)
            answered = True
        finally:
            # Also after a time-out: the rest of its answer may come later
            if answered and keep:
                self._idle.append((reader, writer, monotonic()))
            else:
                writer.transport.abort()
        if status != 200:
            raise NoGatewaysAnswer(f"status {status}")
        return answer

    def close(self) -> None:
        """End the idle connections."""
        while self._idle:
            self._idle.pop()[1].transport.abort()

    def _kept(self) -> tuple[StreamReader, StreamWriter] | None:
        """The connection that was used last, unless the other gateway has closed it."""
        while self._idle:
            reader, writer, since = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing() and monotonic() - since < KEPT_S:
                return reader, writer
            writer.transport.abort()
        return None

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                context = ssl.create_default_context() if self._tls else None
                return await asyncio.open_connection(self._host, self._port, ssl=context)
        except (OSError, UnicodeError) as error:
            # UnicodeError: of a host name that can't be one
            raise NotConnected(str(error) or "no connection in time") from error


async def _answer(reader: StreamReader) -> tuple[int, bool, bytes]:
    """Status, whether the connection can be used again, and body."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        version, status, *_ = lines[0].split(b" ")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        keep = version == b"HTTP/1.1" and headers.get(b"connection", b"").lower() != b"close"
        if b"transfer-encoding" in headers:
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers[b"content-length"]))
        return int(status), keep, body
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, LookupError, ValueError) as error:
        raise NoGatewaysAnswer(repr(error)) from error


async def _chunks(reader: StreamReader) -> bytes:
    """A body in chunks, as a proxy may send it."""
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(chunks)
