"""Answers on the server's own thread, by a real server."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from foundation.http.at_once import AtOnce, WholeResponse
from foundation.http.server import serve_until
from library.process.ports import HOST, free_port


class App:
    """An ASGI application: answers with its thread, or with the request's body."""

    def __init__(self) -> None:
        self.lifespan: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                self.lifespan.append((await receive())["type"])
                await send({"type": f"lifespan.{event}.complete"})
            return
        if scope["path"] == "/broken":
            raise ValueError("a defect")
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body or this_thread()})


def this_thread() -> bytes:
    return str(threading.get_ident()).encode()


def answer_now(request: Any) -> WholeResponse | None:
    """Answers /now."""
    return WholeResponse(203, [(b"x-by", b"thread")], this_thread()) if request["path"] == "/now" else None


@contextmanager
def serving(at_once: AtOnce, app: App | None = None) -> Iterator[tuple[httpx.Client, int]]:
    """A client of a running server, and the thread of the server's event loop."""
    port, stopping = free_port(), list[Any]()

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stopping.append(lambda: loop.call_soon_threadsafe(stop.set))
        await serve_until(stop, app or App(), HOST, port, at_once=at_once)

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(transport=transport, base_url=f"http://{HOST}:{port}") as client:
        client.get("/")
        assert thread.ident is not None
        yield client, thread.ident
    stopping[0]()
    thread.join()


def test_an_answer_at_once_is_made_beside_the_event_loop():
    with serving(answer_now) as (client, loop):
        answer = client.get("/now")
    assert (answer.status_code, answer.headers["x-by"]) == (203, "thread")
    assert int(answer.text) not in (loop, threading.get_ident())


def test_the_application_answers_on_the_event_loop_what_is_not_answered_at_once():
    with serving(answer_now) as (client, loop):
        assert int(client.get("/later").text) == loop
        assert client.post("/later", content=b"x" * 300_000).content == b"x" * 300_000


def test_the_application_answers_where_answering_at_once_fails(caplog: pytest.LogCaptureFixture):
    def fail(request: Any) -> None:
        raise ValueError("a defect")

    with serving(fail) as (client, loop):
        answer = client.get("/now")
    assert (answer.status_code, int(answer.text)) == (200, loop)
    assert "/now can't be answered at once" in caplog.text


def test_a_defect_of_the_application_is_logged_and_answered(caplog: pytest.LogCaptureFixture):
    with serving(answer_now) as (client, _):
        assert client.get("/broken").status_code == 500
    assert "/broken can't be answered" in caplog.text


def test_the_lifespan_of_the_application_spans_all_answers():
    app = App()
    with serving(answer_now, app) as (client, _):
        client.get("/now")
        assert app.lifespan == ["lifespan.startup"]
    assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


def test_each_of_many_requests_gets_its_own_answer():
    def echo_odd(request: Any) -> WholeResponse | None:
        number = request["path"][1:]
        return WholeResponse(200, [], number.encode()) if number and int(number) % 2 else None

    with serving(echo_odd) as (client, loop), ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda number: int(client.get(f"/{number}").text), range(200)))
    assert answers == [number if number % 2 else loop for number in range(200)]
