"""Answers are received whole, however the network cuts them."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop
from aiokafka.conn import CloseReason
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
    """A connection that keeps its frames; one that begins with ``bad`` can't be handled. It asks nothing."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, on_close=self._note)
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Queue[Any] = asyncio.Queue()

    def _note(self, connection: Any, reason: Any) -> None:
        self.closed.put_nowait(reason)

    async def _do_version_lookup(self) -> None:
        pass

    def _handle_frame(self, resp: bytes) -> None:
        if resp.startswith(b"bad"):
            raise ValueError(resp)
        self.frames.put_nowait(resp)


class LostAtOnce(Received):
    """A connection that is lost before it is read."""

    def _create_reader_task(self) -> Any:
        self._reader.feed_eof()
        return super()._create_reader_task()


Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connected(server: Server, kind: type[Received] = Received) -> Received:
    """A connection to this server."""
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    connection = kind(*listening.sockets[0].getsockname())
    await connection.connect()
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
        assert await connection.closed.get() == CloseReason.CONNECTION_BROKEN
        assert connection.frames.empty()
        assert "bad" in caplog.text

    run(receive(), policy)


def test_a_connection_that_is_lost_before_it_is_ours_ends():
    async def server(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.drain()

    async def receive() -> None:
        connection = await connected(server, LostAtOnce)
        assert await connection.closed.get() == CloseReason.CONNECTION_BROKEN

    run(receive(), asyncio.DefaultEventLoopPolicy())


def run(work: Any, policy: asyncio.AbstractEventLoopPolicy) -> None:
    """Run it in a loop of this policy, for 20 seconds at most."""
    with asyncio.Runner(loop_factory=policy.new_event_loop) as runner:
        runner.run(asyncio.wait_for(work, 20))
