"""Reading request bodies: late ones, cancelled requests, sizes."""

import asyncio
from typing import Any

import pytest

from foundation.http.app import LARGEST_BODY_BYTES
from foundation.http.problem import Problem
from producer.gateway import bodies
from producer.gateway.bodies import BodyReader


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.02)
    monkeypatch.setattr(bodies, "CHECK_INTERVAL_S", 0.01)


async def never() -> Any:
    await asyncio.Event().wait()


def pieces(*sizes: int) -> Any:
    """An ASGI ``receive`` of a body in pieces of these sizes."""
    left = list(sizes)

    async def receive() -> Any:
        size = left.pop(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(left)}

    return receive


def status_of(content_length: bytes | None, receive: Any) -> int:
    with pytest.raises(Problem) as problem:
        asyncio.run(BodyReader().read(content_length, receive))
    return problem.value.status


def test_a_body_is_the_pieces_that_arrive():
    assert asyncio.run(BodyReader().read(None, pieces(3, 0, 4))) == b"x" * 7


@pytest.mark.parametrize("content_length", [b"80", None])
def test_a_body_that_is_cut_off_is_refused(content_length: bytes | None):
    messages = [
        {"type": "http.request", "body": b'{"type":"RemoveBook"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    assert status_of(content_length, receive) == 400


def test_a_body_that_does_not_arrive_is_given_up():
    assert status_of(b"80", never) == 408


def test_every_late_body_is_given_up_also_after_others_arrived():
    async def read() -> list[Any]:
        reader = BodyReader()
        await reader.read(None, pieces(1))
        late = (reader.read(None, never) for _ in range(3))
        return [*await asyncio.gather(*late, return_exceptions=True), await reader.read(None, pieces(1))]

    *late, last = asyncio.run(read())
    assert [problem.status for problem in late] == [408] * 3
    assert last == b"x"


def test_a_cancelled_request_is_not_taken_for_a_late_body():
    async def read() -> None:
        reading = asyncio.ensure_future(BodyReader().read(None, never))
        await asyncio.sleep(0)
        reading.cancel()
        await reading

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(read())


@pytest.mark.parametrize("length", [str(LARGEST_BODY_BYTES + 1).encode(), b"1" * 400])
def test_a_body_that_is_too_large_is_refused_by_its_length(length: bytes):
    assert status_of(length, never) == 413


def test_a_body_without_a_length_is_refused_once_it_is_too_large():
    assert status_of(None, pieces(LARGEST_BODY_BYTES, 1, 1)) == 413
