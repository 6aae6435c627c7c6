"""What a gateway does with the links of others."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest

from eventstore.state.outcomes import OutcomeUnknown, Receipt
from foundation.http.server import bound
from foundation.settings import Settings
from producer.gateway.gateway import Gateway
from producer.gateway.sharing import reception as module
from producer.gateway.sharing.messages import (
    LARGEST_FRAME_BYTES,
    Answer,
    ForwardedLookUp,
    Frames,
    decode_answers,
    encode_entries,
    frame,
    greeting,
)
from producer.gateway.sharing.reception import Reception

RECEIPTS = [Receipt("id", "9781593275846", (), "0:1")]
SETTINGS = Settings(token="sesame")
HELLO = frame(greeting(SETTINGS))
LIMIT_S = 5


def questions(*asked: tuple[int, int]) -> bytes:
    """Look-ups, each with its number and its partition."""
    return encode_entries([(number, ForwardedLookUp("id", partition)) for number, partition in asked])


class Slow(Gateway):
    """Partition 0 answers when ``release`` is set, 1 fails, others answer at once."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, lambda *_: None)
        self.release = asyncio.Event()

    async def look_up(self, command_id: str, partition: int) -> Any:
        if partition == 0:
            await self.release.wait()
            return OutcomeUnknown("slow")
        if partition == 1:
            raise RuntimeError("a defect")
        return RECEIPTS


class Caller:
    """Another gateway's end of a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._frames = Frames(LARGEST_FRAME_BYTES)

    async def answers(self) -> list[tuple[int, Answer]]:
        """Those that come next, in order of their numbers; none: the link was closed."""
        try:
            data = await asyncio.wait_for(self._reader.read(10_000), LIMIT_S)
        except ConnectionResetError:
            return []
        return sorted(each for body in self._frames.read(data) for each in decode_answers(body))


def served(talk: Callable[[Caller, Slow], Awaitable[None]]) -> None:
    async def main() -> None:
        gateway = Slow()
        listener = bound(SETTINGS.host, 0)
        with closing(Reception(gateway, listener)) as reception:
            await reception.open()
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            with closing(writer):
                await talk(Caller(reader, writer), gateway)

    asyncio.run(main())


def test_the_answers_of_each_partition_are_sent_as_soon_as_they_are_there():
    async def talk(caller: Caller, gateway: Slow) -> None:
        caller.writer.write(HELLO + questions((5, 0), (6, 2), (7, 3)))
        assert await caller.answers() == [(6, RECEIPTS), (7, RECEIPTS)]
        gateway.release.set()
        assert await caller.answers() == [(5, None)]

    served(talk)


def test_a_defect_leaves_its_entry_without_an_answer(caplog: pytest.LogCaptureFixture):
    async def talk(caller: Caller, _: Slow) -> None:
        caller.writer.write(HELLO + questions((1, 1), (2, 2)))
        assert await caller.answers() == [(2, RECEIPTS)]

    served(talk)
    assert "a defect" in caplog.text


@pytest.mark.parametrize(
    "words",
    [
        frame(greeting(Settings())),
        frame(b"x" * len(greeting(SETTINGS))),
        b"GET / HTTP/1.1\r\n\r\n",
        (LARGEST_FRAME_BYTES).to_bytes(4, "big"),
        HELLO + frame(b"\xc1"),
        HELLO + (LARGEST_FRAME_BYTES + 1).to_bytes(4, "big"),
    ],
)
def test_a_link_of_no_gateway_is_closed(words: bytes):
    async def talk(caller: Caller, _: Slow) -> None:
        caller.writer.write(words)
        assert await caller.answers() == []

    served(talk)


def test_a_link_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "GREETING_TIMEOUT_S", 0.01)

    async def talk(caller: Caller, _: Slow) -> None:
        assert await caller.answers() == []

    served(talk)


def test_a_link_that_has_greeted_may_be_silent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "GREETING_TIMEOUT_S", 0.05)

    async def talk(caller: Caller, gateway: Slow) -> None:
        caller.writer.write(HELLO + questions((1, 0)))
        asyncio.get_running_loop().call_later(0.1, gateway.release.set)
        assert await caller.answers() == [(1, None)]

    served(talk)


def test_links_end_with_the_gateway():
    async def main() -> None:
        listener = bound(SETTINGS.host, 0)
        reception = Reception(Slow(), listener)
        await reception.open()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        caller = Caller(reader, writer)
        writer.write(HELLO + questions((1, 2)))
        assert await caller.answers() == [(1, RECEIPTS)]
        reception.close()
        assert await caller.answers() == []
        writer.close()

    asyncio.run(main())
