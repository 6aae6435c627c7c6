"""Requests to another gateway: which connection they take, and what is no answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing, suppress
from typing import TypeVar

import pytest

from library.process.ports import free_port
from producer.gateway.sharing import connections as module
from producer.gateway.sharing.connections import Connections, NoGatewaysAnswer, NotConnected
from tests.support.producer.raw_http import read_request, serving

T = TypeVar("T")


async def post(connections: Connections, body: bytes) -> bytes:
    """The whole body of the answer."""
    async with aclosing(connections.post(body)) as pieces:
        return b"".join([piece async for piece in pieces])


HEAD = b"HTTP/1.1 200 OK\r\nserver: x\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\ntrailer: 1\r\n\r\n"


class Peer:
    """A server that answers each request with the next of some bytes; empty: it closes the connection."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[int, bytes]] = []
        """The number of the connection and the head of each request."""
        self.opened = 0
        self.release = asyncio.Event()
        self.release.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        number = self.opened
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head, _ = await read_request(reader)
                self.requests.append((number, head))
                await self.release.wait()
                answer = self._answers.pop(0)
                writer.write(answer)
                if answer in (b"", HEAD):
                    break
        writer.close()


def run(peer: Callable[[], Peer], talk: Callable[[Connections, Peer], Awaitable[T]]) -> T:
    async def main() -> T:
        one = peer()
        async with serving(one.serve) as url:
            with closing(Connections(f"{url}/base/", "/forwarded", {"Authorization": "x"})) as connections:
                return await talk(connections, one)

    return asyncio.run(main())


def test_requests_one_after_the_other_share_a_connection():
    async def talk(connections: Connections, peer: Peer) -> None:
        assert await post(connections, b"1") == b"ok"
        assert await post(connections, b"22") == b"abcde"
        assert [number for number, _ in peer.requests] == [1, 1]
        head = peer.requests[1][1].decode()
        assert head.startswith("POST /base/forwarded HTTP/1.1\r\nHost: 127.0.0.1:")
        assert "\r\nAuthorization: x\r\nContent-Length: 2\r\n" in head

    run(lambda: Peer(OK, CHUNKED), talk)


def test_requests_at_the_same_time_have_a_connection_each():
    async def talk(connections: Connections, peer: Peer) -> None:
        answers = await asyncio.gather(post(connections, b"1"), post(connections, b"2"))
        assert set(answers) == {b"ok"}
        assert peer.opened == 2

    run(lambda: Peer(OK, OK), talk)


def test_a_connection_that_the_other_gateway_closed_is_not_used_again():
    async def talk(connections: Connections, peer: Peer) -> None:
        closing = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"
        peer._answers = [closing, OK, OK]
        for _ in range(2):
            assert await post(connections, b"1") == b"ok"
        assert peer.opened == 2

    run(Peer, talk)


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch):
    async def talk(connections: Connections, peer: Peer) -> None:
        await post(connections, b"1")
        monkeypatch.setattr(module, "KEPT_S", 0.0)
        await post(connections, b"2")
        assert peer.opened == 2

    run(lambda: Peer(OK, OK), talk)


@pytest.mark.parametrize(
    "answer",
    [b"", HEAD, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0\r\n\r\n", HEAD + b"\r\n"],
)
def test_what_is_no_answer_of_a_gateway_is_said_to_be_none(answer: bytes):
    async def talk(connections: Connections, _: Peer) -> None:
        with pytest.raises((NoGatewaysAnswer, ConnectionError)):
            await post(connections, b"1")
        assert await post(connections, b"2") == b"ok"

    run(lambda: Peer(answer, OK), talk)


def test_a_late_answer_is_not_taken_for_that_of_the_next_request():
    async def talk(connections: Connections, peer: Peer) -> None:
        peer.release.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await post(connections, b"1")
        peer.release.set()
        assert await post(connections, b"2") == b"abcde"
        assert [number for number, _ in peer.requests] == [1, 2]

    run(lambda: Peer(OK, CHUNKED), talk)


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b", "nowhere.invalid"])
def test_a_gateway_that_is_not_there_has_received_nothing(host: str):
    connections = Connections(f"http://{host}:{free_port()}", "/forwarded", {})
    with pytest.raises(NotConnected):
        asyncio.run(post(connections, b"1"))
