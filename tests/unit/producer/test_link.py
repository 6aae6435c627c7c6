"""Commands and questions on their way to another gateway, and their answers on the way back."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from typing import Any

import pytest

from eventstore.state.outcomes import Receipt, submit
from foundation.settings import Settings
from inventory.commands import AddCopies
from library.process.ports import free_port
from producer.gateway.sharing import link as module
from producer.gateway.sharing import peers as peers_module
from producer.gateway.sharing.messages import (
    Answer,
    Forwarded,
    ForwardedLookUp,
    decode_entries,
    encode_answers,
    forwarded,
    frame,
    greeting,
)
from producer.gateway.sharing.peers import SUSPECT_S, Peers

RECEIPTS = [Receipt("id", "9781593275846", (), "0:1")]
COMMAND = forwarded(submit("id", AddCopies("9781593275846", 1), {}))
LIMIT_S = 5


def questions(*partitions: int) -> list[ForwardedLookUp]:
    return [ForwardedLookUp("id", partition) for partition in partitions]


class Other:
    """A gateway that says what a test tells it to, and notes the batches that it gets on each connection."""

    def __init__(self) -> None:
        self.connections: list[StreamWriter] = []
        self.greetings: list[bytes] = []
        self.batches: asyncio.Queue[list[tuple[int, Forwarded]]] = asyncio.Queue()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            self.greetings.append(await body_of(reader))
            while True:
                self.batches.put_nowait(decode_entries(await body_of(reader)))

    async def batch(self) -> list[tuple[int, Forwarded]]:
        """The next batch."""
        return await asyncio.wait_for(self.batches.get(), LIMIT_S)

    def say(self, *answers: tuple[int, Answer]) -> None:
        """Send answers in one frame."""
        self.connections[-1].write(encode_answers(answers))


async def body_of(reader: StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


Talk = Callable[[Peers, str, Other], Awaitable[None]]


def talking(talk: Talk) -> None:
    async def main() -> None:
        other = Other()
        server = await asyncio.start_server(other.serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:1#{server.sockets[0].getsockname()[1]}"
        with closing(server), closing(Peers(Settings(token="sesame"))) as peers:
            await talk(peers, address, other)

    asyncio.run(main())


def asked(peers: Peers, address: str, entries: Sequence[Forwarded]) -> list["asyncio.Task[Answer]"]:
    return [asyncio.ensure_future(peers.ask(address, entry)) for entry in entries]


async def settled(tasks: Sequence["asyncio.Task[Answer]"]) -> list[Answer]:
    return await asyncio.wait_for(asyncio.gather(*tasks), LIMIT_S)


def test_entries_of_one_pass_of_the_loop_go_together_after_one_greeting():
    async def talk(peers: Peers, address: str, other: Other) -> None:
        for _ in range(2):
            tasks = asked(peers, address, questions(0, 1, 2))
            batch = await other.batch()
            assert [entry for _, entry in batch] == questions(0, 1, 2)
            other.say(*((number, RECEIPTS) for number, _ in batch))
            assert await settled(tasks) == [RECEIPTS] * 3
        assert other.greetings == [greeting(Settings(token="sesame"))]
        assert (peers.forwarded, peers.unanswered, peers.suspects(address)) == (6, 0, False)

    talking(talk)


def test_large_batches_go_in_several_frames(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LARGEST_BATCH", 2)

    async def talk(peers: Peers, address: str, other: Other) -> None:
        tasks = asked(peers, address, questions(0, 1, 2))
        batches = [await other.batch(), await other.batch()]
        assert [[entry for _, entry in batch] for batch in batches] == [questions(0, 1), questions(2)]
        other.say(*((number, RECEIPTS) for batch in batches for number, _ in batch))
        assert await settled(tasks) == [RECEIPTS] * 3

    talking(talk)


def test_an_answer_does_not_wait_for_that_of_another_partition():
    async def talk(peers: Peers, address: str, other: Other) -> None:
        slow, fast = asked(peers, address, questions(0, 1))
        (first, _), (second, _) = await other.batch()
        other.say((second, RECEIPTS))
        assert await asyncio.wait_for(fast, LIMIT_S) == RECEIPTS
        assert not slow.done()
        other.say((first, []))
        assert await asyncio.wait_for(slow, LIMIT_S) == []

    talking(talk)


@pytest.mark.parametrize("words", [frame(b"x"), b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_link_that_brings_anything_else_is_ended(words: bytes):
    async def talk(peers: Peers, address: str, other: Other) -> None:
        tasks = asked(peers, address, questions(0, 1))
        (first, _), _ = await other.batch()
        other.say((first, RECEIPTS))
        other.connections[0].write(words)
        assert await settled(tasks) == [RECEIPTS, None]
        assert (peers.forwarded, peers.unanswered, peers.suspects(address)) == (2, 1, True)

    talking(talk)


def test_a_command_that_was_sent_is_given_up_only_when_it_has_expired(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.2)

    async def talk(peers: Peers, address: str, other: Other) -> None:
        command, question = asked(peers, address, [COMMAND, *questions(0)])
        await other.batch()
        other.connections[0].transport.abort()
        assert await asyncio.wait_for(question, LIMIT_S) is None
        assert not command.done()
        assert peers.suspects(address)
        assert await asyncio.wait_for(command, LIMIT_S) is None

    talking(talk)


def test_the_next_entry_after_a_lost_connection_opens_another(monkeypatch: pytest.MonkeyPatch):
    async def talk(peers: Peers, address: str, other: Other) -> None:
        for number in range(2):
            tasks = asked(peers, address, questions(number))
            ((asked_as, _),) = await other.batch()
            other.say((asked_as, RECEIPTS))
            assert await settled(tasks) == [RECEIPTS]
            # Nothing is open: a gateway that stops in order is not suspected
            other.connections[-1].close()
            link = peers._links[address]
            while peers._links.get(address) is link:
                await asyncio.sleep(0)
        assert len(other.connections) == 2
        assert not peers.suspects(address)

    talking(talk)


def test_a_gateway_is_suspected_for_a_while_and_then_forgotten(monkeypatch: pytest.MonkeyPatch):
    peers, now = Peers(Settings()), 0.0
    monkeypatch.setattr(peers_module, "monotonic", lambda: now)
    for address in ("http://first", "http://second"):
        peers._suspect(address)
        assert peers.suspects(address)
        now += SUSPECT_S
    assert not peers.suspects("http://second")
    assert list(peers._suspect_until) == ["http://second"]


def test_a_late_answer_is_nobodys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.1)

    async def talk(peers: Peers, address: str, other: Other) -> None:
        tasks = asked(peers, address, questions(0, 1))
        (first, _), (late, _) = await other.batch()
        other.say((first, RECEIPTS))
        assert await settled(tasks) == [RECEIPTS, None]
        monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", LIMIT_S)
        tasks = asked(peers, address, questions(2))
        ((third, _),) = await other.batch()
        other.say((late, RECEIPTS))
        other.say((third, []))
        assert await settled(tasks) == [[]]
        # It said something meanwhile: another partition may be slow there
        assert len(other.connections) == 1

    talking(talk)


def test_a_link_without_a_word_is_opened_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.1)

    async def talk(peers: Peers, address: str, other: Other) -> None:
        for _ in range(2):
            tasks = asked(peers, address, questions(0))
            await other.batch()
            assert await settled(tasks) == [None]
        assert len(other.connections) == 2

    talking(talk)


def test_a_link_that_was_silent_for_long_is_opened_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "KEPT_S", 0.0)

    async def talk(peers: Peers, address: str, other: Other) -> None:
        for number in range(2):
            tasks = asked(peers, address, questions(number, number))
            batch = await other.batch()
            assert len(batch) == 2
            other.say(*((asked_as, RECEIPTS) for asked_as, _ in batch))
            assert await settled(tasks) == [RECEIPTS] * 2
        assert len(other.connections) == 2
        assert len(peers._links) == 1

    talking(talk)


@pytest.mark.parametrize("address", ["http://127.0.0.1#{port}", "http://a..b#1", "http://nowhere.invalid#1"])
def test_a_gateway_that_cannot_be_reached_has_received_nothing(address: str):
    async def talk(peers: Peers, _: str, __: Other) -> None:
        gone = address.format(port=free_port())
        assert await settled(asked(peers, gone, [COMMAND, *questions(0)])) == [None, None]
        assert peers.suspects(gone)
        assert peers._links == {}

    talking(talk)


def test_an_address_without_the_port_of_links_is_not_reached():
    async def talk(peers: Peers, _: str, __: Other) -> None:
        assert await settled(asked(peers, "http://127.0.0.1:8081", [COMMAND])) == [None]

    talking(talk)


def test_a_suspect_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers_module, "SUSPECT_S", 0.0)

    async def talk(peers: Peers, _: str, __: Other) -> None:
        gone = f"http://127.0.0.1#{free_port()}"
        await settled(asked(peers, gone, questions(0)))
        assert not peers.suspects(gone)

    talking(talk)


def test_a_caller_that_has_gone_leaves_the_others_their_answers():
    async def talk(peers: Peers, address: str, other: Other) -> None:
        gone, stays = asked(peers, address, questions(0, 1))
        batch: list[Any] = await other.batch()
        gone.cancel()
        other.say(*((number, RECEIPTS) for number, _ in batch))
        assert await asyncio.wait_for(stays, LIMIT_S) == RECEIPTS

    talking(talk)
