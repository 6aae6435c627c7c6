"""HTTP requests to another gateway, over kept connections."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
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

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """Send a request, and yield the pieces in which the body of an answer with status 200 comes.

        The caller closes the generator. Raises NotConnected, NoGatewaysAnswer, OSError.
        """
        reader, writer = self._kept() or await self._connect()
        keep = False
        try:
            writer.write(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
            await writer.drain()
            headers, reusable = await _head(reader)
            if b"transfer-encoding" in headers:
                async for piece in _chunks(reader):
                    yield piece
            else:
                yield await reader.readexactly(int(headers[b"content-length"]))
            keep = reusable
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, LookupError, ValueError) as error:
            raise NoGatewaysAnswer(repr(error)) from error
        finally:
            # Also after a time-out: the rest of its answer may come later
            if keep:
                self._idle.append((reader, writer, monotonic()))
            else:
                writer.transport.abort()

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


async def _head(reader: StreamReader) -> tuple[dict[bytes, bytes], bool]:
    """The headers of an answer with status 200, and whether the connection can be used again.

    Raises NoGatewaysAnswer for another status, and as ``StreamReader.readuntil``.
    """
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    version, status, *_ = lines[0].split(b" ")
    if status != b"200":
        raise NoGatewaysAnswer(f"status {status!r}")
    headers = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return headers, version == b"HTTP/1.1" and headers.get(b"connection", b"").lower() != b"close"


async def _chunks(reader: StreamReader) -> AsyncIterator[bytes]:
    """The chunks of a body, each as soon as it comes."""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
