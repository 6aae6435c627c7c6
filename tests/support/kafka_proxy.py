"""A TCP proxy in front of a broker that understands Kafka's frames: it delays or repeats chosen requests.

A request is four bytes of length, then its API key (int16), version (int16) and correlation id (int32). Each
client connection has its own to the broker. A request that was kept back is delivered later on another one:
by then its client has given the first one up.
"""

import asyncio
import struct
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, NamedTuple, Self

from library.process.ports import HOST

PRODUCE, END_TXN = 0, 26
"""API keys."""
ANSWER_LIMIT_S = 20.0


class Request(NamedTuple):
    """One frame from a client, without its length."""

    frame: bytes

    @property
    def api_key(self) -> int:
        """The kind of request."""
        (key,) = struct.unpack_from(">h", self.frame)
        return int(key)


class Delayed:
    """A request that the proxy has kept back. Its client gets no answer to it, ever."""

    def __init__(self, proxy: "KafkaProxy", cut: bool) -> None:
        self.cut = cut
        self.arrived = threading.Event()
        self._proxy = proxy
        self._request: Request | None = None

    def deliver(self) -> None:
        """Hand it to the broker on a connection of its own, and wait for the broker's answer.

        Each further call repeats the request.
        """
        request = self._request
        assert request is not None, "no such request has arrived"
        self._proxy.run(self._proxy.ask(request))

    def keep(self, request: Request) -> None:
        """Called by the proxy."""
        self._request = request
        self.arrived.set()


class KafkaProxy:
    """Forwards connections on ``port`` to ``target``, until it is left.

    The broker has to advertise ``port``: clients learn from it where to connect.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._delays: dict[int, Delayed] = {}
        self._actions: dict[int, Callable[[], None]] = {}
        self._clients: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def delay(self, api_key: int, *, cut: bool = False) -> Delayed:
        """Keep the next request of this kind back; all later ones pass. ``cut``: close its connection."""
        delayed = self._delays[api_key] = Delayed(self, cut)
        return delayed

    def before(self, api_key: int, action: Callable[[], None]) -> None:
        """Call ``action`` in another thread before the next request of this kind is forwarded."""
        self._actions[api_key] = action

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the proxy's thread, and wait for its end."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_LIMIT_S)

    async def ask(self, request: Request) -> None:
        """Send a request on a connection of its own, and wait for the answer, which is dropped."""
        reader, writer = await asyncio.open_connection(HOST, self._target)
        try:
            await _send(writer, request.frame)
            await _receive(reader)
        finally:
            writer.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self._port)

    async def _close(self) -> None:
        self._server.close()
        serving = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for client in self._clients:
            client.close()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection(HOST, self._target)
        except OSError:
            # To the client the broker is away, as it is
            writer.close()
            return
        back = asyncio.create_task(_copy(answers, writer))
        self._clients.add(writer)
        try:
            while True:
                request = Request(await _receive(reader))
                if delayed := await self._delayed(request):
                    delayed.keep(request)
                    if delayed.cut:
                        return
                else:
                    await _send(requests, request.frame)
        except (asyncio.IncompleteReadError, OSError):
            # The client has closed its connection
            return
        finally:
            back.cancel()
            self._clients.discard(writer)
            for each in (requests, writer):
                each.close()

    async def _delayed(self, request: Request) -> Delayed | None:
        if action := self._actions.pop(request.api_key, None):
            await self._loop.run_in_executor(None, action)
        return self._delays.pop(request.api_key, None)


async def _receive(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(length)


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
