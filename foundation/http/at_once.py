"""Answers on the server's own thread, for which no event loop has to be woken.

Granian reads requests on a thread without the interpreter, and hands each to the event loop from another one.
Waking the loop costs more than an answer that is in memory. An application that has such answers returns
them on that thread; all other requests go to the loop as ever.
"""

import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from litestar.types import Send

from foundation.http.headers import Headers

log = logging.getLogger(__name__)


class WholeResponse(NamedTuple):
    """A complete response."""

    status: int
    headers: Headers
    body: bytes


AtOnce: TypeAlias = Callable[[Any], WholeResponse | None]
"""Answers an ASGI request (its scope) without waiting for anything; None: the application has to answer.

Called on one thread, beside the event loop.
"""


async def send_whole(send: Send, response: WholeResponse) -> None:
    """Send ``response`` from the event loop."""
    for message in _messages(response):
        await send(message)


def _messages(response: WholeResponse) -> tuple[Any, Any]:
    return (
        {"type": "http.response.start", "status": response.status, "headers": response.headers},
        {"type": "http.response.body", "body": response.body},
    )


def spawning(at_once: AtOnce, connections: int) -> Callable[..., None]:
    """A ``spawn_target`` for granian's embedded server, in place of its own for ASGI."""
    from granian import _granian
    from granian.asgi import LifespanProtocol
    from granian.server.embed import AsyncWorker

    native: Any = _granian

    async def spawn(
        worker_id: int, stop: Any, app: Any, sockets: Any, loop: AbstractEventLoop, *_: object
    ) -> None:
        lifespan: Any = LifespanProtocol(app)  # type: ignore[no-untyped-call]
        await lifespan.startup()
        if lifespan.interrupt:
            raise RuntimeError("the application can't start") from lifespan.exc
        stopped = loop.create_future()
        stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set_result, None))
        scheduler = native.CallbackScheduler(loop, app, None, None, None)
        scheduler._schedule_fn = _schedule(at_once, app, lifespan.state, loop, scheduler._ctx)
        worker = native.ASGIWorker(worker_id, sockets, None, backpressure=connections)
        worker.serve_async(scheduler, loop, stop)
        await stopped
        await lifespan.shutdown()

    wrapped: Callable[..., None] = AsyncWorker.wrap_target(spawn)  # type: ignore[no-untyped-call]
    return wrapped


def _schedule(
    at_once: AtOnce, app: Any, state: dict[str, Any], loop: AbstractEventLoop, context: Any
) -> Callable[[Any], None]:
    """What granian calls for each request, on its thread. It must not raise."""

    def schedule(request: Any) -> None:
        scope = request.scope
        try:
            response = at_once(scope)
        except Exception:
            # The application meets it again, where an error has an answer
            log.exception("%s can't be answered at once", scope["path"])
            response = None
        if response is None:
            scope.update(root_path="", state=state.copy())
            loop.call_soon_threadsafe(begin, request, context=context)
            return
        # Nothing to wait for: granian takes a whole response at once
        for message in _messages(response):
            request.proto.send(message)

    def begin(request: Any) -> None:
        # Keeps the task alive
        request.taskref(loop.create_task(_answer(app, request)))

    return schedule


async def _answer(app: Any, request: Any) -> None:
    try:
        await app(request.scope, request.proto.receive, request.proto.send)
    except Exception:
        log.exception("%s can't be answered", request.scope["path"])
    finally:
        # Answers with 500 where nothing was sent
        request.done()
