"""Answers are received whole, however the network cuts them."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop
from aiokafka.conn import AIOKafkaProtocol, CloseReason
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.batched_faust.connection import Connection, Frames


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(frame)) + frame for frame in frames)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50)), st.lists(st.integers(1, 20)))
def test_frames_are_handled_in_order_however_they_are_cut(frames, sizes):
    async def receive() -> list[bytes]:
        handled: list[bytes] = []
        protocol, data = Frames(cast(Any, None), handled.append), framed(*frames)
        while data:
            place = protocol.get_buffer(-1)
            count = min(len(place), len(data), sizes.pop() if sizes else len(data))
            place[:count] = data[:count]
            data = data[count:]
            protocol.buffer_updated(count)
        return handled

    assert asyncio.run(receive()) == frames


class Received(Connection):
    """A connection that keeps its frames; one that begins with ``bad`` can't be handled."""

    def __init__(self, **options: Any) -> None:
        super().__init__("127.0.0.1", 9092, on_close=self._note, **options)
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Queue[Any] = asyncio.Queue()

    def _note(self, connection: Any, reason: Any) -> None:
        self.closed.put_nowait(reason)

    def _handle_frame(self, resp: bytes) -> None:
        if resp.startswith(b"bad"):
            raise ValueError(resp)
        self.frames.put_nowait(resp)


Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connected(server: Server) -> Received:
    """A connection to this server, as far as aiokafka is before it asks anything."""
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    loop, connection = asyncio.get_running_loop(), Received()
    connection._closed_fut = loop.create_future()
    reader = asyncio.StreamReader()
    protocol = AIOKafkaProtocol(connection._closed_fut, reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    connection._reader, connection._writer, connection._protocol = reader, writer, protocol
    return connection


LOOPS = [asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()]
LARGE = bytes(range(256)) * 40_000


@pytest.mark.parametrize("policy", LOOPS, ids=["asyncio", "uvloop"])
def test_a_connection_gets_large_and_small_frames_and_its_end(policy):
    async def server(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(framed(b"a", LARGE, b"b", LARGE + b"c"))
        writer.close()

    async def receive() -> None:
        connection = await connected(server)
        connection._read_task = connection._create_reader_task()
        for frame in (b"a", LARGE, b"b", LARGE + b"c"):
            assert await connection.frames.get() == frame
        assert await connection.closed.get() == CloseReason.CONNECTION_BROKEN
        assert not connection.connected()

    run(receive(), policy)


@pytest.mark.parametrize("policy", LOOPS, ids=["asyncio", "uvloop"])
def test_a_frame_that_cannot_be_handled_ends_the_connection(policy, caplog):
    async def server(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(framed(b"bad", b"a"))

    async def receive() -> None:
        connection = await connected(server)
        connection._read_task = connection._create_reader_task()
        assert await connection.closed.get() == CloseReason.CONNECTION_BROKEN
        assert connection.frames.empty()
        assert "bad" in caplog.text

    run(receive(), policy)


def test_a_connection_that_is_lost_before_it_is_ours_ends():
    async def server(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def receive() -> None:
        connection = await connected(server)
        assert await connection._reader.read() == b""
        connection._read_task = connection._create_reader_task()
        assert await connection.closed.get() == CloseReason.CONNECTION_BROKEN

    run(receive(), asyncio.DefaultEventLoopPolicy())


def run(work: Any, policy: asyncio.AbstractEventLoopPolicy) -> None:
    """Run it in a loop of this policy, for 20 seconds at most."""
    with asyncio.Runner(loop_factory=policy.new_event_loop) as runner:
        runner.run(asyncio.wait_for(work, 20))
