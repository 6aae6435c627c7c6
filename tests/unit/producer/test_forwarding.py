"""Entries on their way to another gateway, and their answers on the way back."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.state.outcomes import OutcomeUnknown, Receipt
from foundation.http.callers import AllowedHosts
from foundation.http.responses import HttpResponse
from foundation.settings import Settings
from producer.gateway.gateway import Gateway
from producer.gateway.sharing import peers as module
from producer.gateway.sharing.messages import (
    Answer,
    AnswerReader,
    ForwardedLookUp,
    authorization,
    decode_entries,
    encode_answers,
    encode_entries,
)
from producer.gateway.sharing.peers import Peers
from producer.gateway.sharing.reception import Reception
from tests.support.producer.raw_http import read_request, serving

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
RECEIPTS = [Receipt("id", "9781593275846", (), "0:1")]
ANSWERS: list[Answer] = [RECEIPTS, None, HttpResponse(409, [(b"a", b"b")], b"{}"), []]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def entries(*partitions: int) -> list[ForwardedLookUp]:
    return [ForwardedLookUp("id", partition) for partition in partitions]


class Other:
    """A gateway that answers each batch with the bytes that ``answer`` makes of its entries."""

    def __init__(self, *answers: Callable[[list[Any]], bytes]) -> None:
        self._answers = list(answers)
        self.batches: list[list[Any]] = []
        self.go_on = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            _, body = await read_request(reader)
            batch = decode_entries(body)
            self.batches.append(batch)
            writer.write(HEAD)
            for answer in self._answers:
                writer.write(answer(batch))
                await writer.drain()
                await self.go_on.wait()
        writer.close()


def forward(other: Callable[[], Other], talk: Callable[[Peers, str, Other], Awaitable[None]]) -> None:
    async def main() -> None:
        one = other()
        async with serving(one.serve) as url:
            with closing(Peers(Settings())) as peers:
                await talk(peers, url, one)

    asyncio.run(main())


def answer(*numbers: int) -> Callable[[list[Any]], bytes]:
    return lambda _: chunk(encode_answers((number, RECEIPTS) for number in numbers))


def end(_: list[Any]) -> bytes:
    return b"0\r\n\r\n"


def test_entries_of_one_pass_of_the_loop_go_together():
    async def talk(peers: Peers, address: str, other: Other) -> None:
        other.go_on.set()
        found = await asyncio.gather(*(peers.ask(address, entry) for entry in entries(0, 1, 2)))
        assert found == [RECEIPTS] * 3
        assert other.batches == [entries(0, 1, 2)]
        assert (peers.forwarded, peers.unanswered, peers.suspects(address)) == (3, 0, False)

    forward(lambda: Other(answer(1), answer(0, 2), end), talk)


def test_an_answer_does_not_wait_for_that_of_another_partition():
    async def talk(peers: Peers, address: str, other: Other) -> None:
        slow, fast = [peers.ask(address, entry) for entry in entries(0, 1)]
        assert await asyncio.wait_for(fast, 5) == RECEIPTS
        assert not slow.done()
        other.go_on.set()
        assert await asyncio.wait_for(slow, 5) == RECEIPTS

    forward(lambda: Other(answer(1), answer(0), end), talk)


@pytest.mark.parametrize(
    "wrong", [end, answer(7), answer(0), lambda _: chunk(b"\0\0\0\1x"), lambda _: b"", lambda _: b"x\r\n"]
)
def test_what_was_not_answered_when_the_answers_end_is_answered_with_nothing(
    wrong: Callable[[list[Any]], bytes],
):
    async def talk(peers: Peers, address: str, other: Other) -> None:
        other.go_on.set()
        found = await asyncio.gather(*(peers.ask(address, entry) for entry in entries(0, 1)))
        assert found == [RECEIPTS, None]
        assert (peers.forwarded, peers.unanswered, peers.suspects(address)) == (2, 1, True)

    forward(lambda: Other(answer(0), wrong), talk)


def test_more_entries_than_may_be_on_their_way_wait_and_go_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_IN_FLIGHT", 1)

    async def talk(peers: Peers, address: str, other: Other) -> None:
        first = peers.ask(address, entries(0)[0])
        await asyncio.sleep(0)
        rest = [peers.ask(address, entry) for entry in entries(1)]
        await asyncio.sleep(0)
        rest += [peers.ask(address, entry) for entry in entries(2)]
        other.go_on.set()
        assert await first == RECEIPTS
        assert await asyncio.gather(*rest) == [RECEIPTS, RECEIPTS]
        assert other.batches == [entries(0), entries(1, 2)]

    def all_of(batch: list[Any]) -> bytes:
        return chunk(encode_answers((number, RECEIPTS) for number in range(len(batch))))

    forward(lambda: Other(all_of, end), talk)


@given(st.lists(st.lists(st.sampled_from(ANSWERS), max_size=5), max_size=5), st.data())
def test_answers_are_the_same_in_whatever_pieces_they_come(sheets: list[list[Answer]], data: st.DataObject):
    body = b"".join(encode_answers(enumerate(answers)) for answers in sheets)
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    reader = AnswerReader()
    pieces = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
    found = [each for piece in pieces for each in reader.read(piece)]
    expected = [each for answers in sheets for each in enumerate(answers)]
    assert found == expected


class Slow(Gateway):
    """Partition 0 answers when ``release`` is set, others at once."""

    def __init__(self) -> None:
        super().__init__(Settings(), lambda *_: None)
        self.release = asyncio.Event()

    async def look_up(self, command_id: str, partition: int) -> Any:
        if partition == 0:
            await self.release.wait()
            return OutcomeUnknown("slow")
        return RECEIPTS


def test_the_answers_of_each_partition_are_sent_as_soon_as_they_are_there():
    async def main() -> None:
        gateway = Slow()
        reception = Reception(None, gateway, AllowedHosts(gateway.settings))
        headers = [(b"host", b"localhost"), (b"authorization", authorization(gateway.settings).encode())]
        scope = {"type": "http", "path": "/forwarded", "method": "POST", "http_version": "1.1"}
        sent: asyncio.Queue[Any] = asyncio.Queue()

        async def receive() -> Any:
            return {"type": "http.request", "body": encode_entries(entries(0, 1, 2))}

        task = asyncio.create_task(reception(scope | {"headers": headers}, receive, sent.put))  # type: ignore[arg-type]
        assert (await sent.get())["status"] == 200
        reader, early = AnswerReader(), await sent.get()
        assert early["more_body"]
        assert sorted(reader.read(early["body"])) == [(1, RECEIPTS), (2, RECEIPTS)]
        gateway.release.set()
        late = await sent.get()
        assert not late["more_body"]
        assert list(reader.read(late["body"])) == [(0, None)]
        await task

    asyncio.run(main())
