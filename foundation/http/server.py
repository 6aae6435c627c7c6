"""The HTTP server of long-lived processes: granian inside the process, which leaves no orphan when killed."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from foundation.http.addresses import UnknownHost, family, resolve
from foundation.http.at_once import AtOnce, spawning

CONNECTIONS = 4096
"""That may be open at a time; further ones wait in the kernel's queue."""
_BACKLOG = 1024


class PortTaken(Exception):
    """Another program listens on the port; the message says what to do."""


def serve(
    app: Any,
    host: str,
    port: int,
    *,
    drain: Callable[[], Awaitable[None]] | None = None,
    at_once: AtOnce | None = None,
) -> None:
    """Serve the ASGI ``app`` until SIGTERM or SIGINT; ``at_once`` is asked first, on the server's thread.

    Then ``drain`` is awaited while the server still answers, open requests are answered, and the app's
    lifespan ends. A second signal changes nothing; a supervisor that can't wait sends SIGKILL.

    Raises PortTaken.
    """
    import uvloop

    claim(host, port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, host, port, drain, at_once))


def claim(host: str, port: int) -> None:
    """Check that nobody listens on the port: granian would share it silently (SO_REUSEPORT).

    Raises PortTaken.
    """
    bound(host, port).close()


def bound(host: str, port: int) -> socket.socket:
    """A TCP socket that has the port, any free one for 0. Raises PortTaken."""
    try:
        address = resolve(host)
    except UnknownHost as error:
        raise PortTaken(str(error)) from error
    listener = socket.socket(family(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"can't listen on {host}:{port} ({error.strerror}): stop the program that listens there, or "
            "choose another port"
        ) from error
    return listener


async def _serve(
    app: Any, host: str, port: int, drain: Callable[[], Awaitable[None]] | None, at_once: AtOnce | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve_until(stop, app, host, port, drain, at_once)


async def serve_until(
    stop: asyncio.Event,
    app: Any,
    host: str,
    port: int,
    drain: Callable[[], Awaitable[None]] | None = None,
    at_once: AtOnce | None = None,
) -> None:
    """As ``serve``, until ``stop`` is set, and without a look at the port."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    server = Server(
        app,
        address=resolve(host),
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=CONNECTIONS,
        log_enabled=False,
    )
    spawn_target = None if at_once is None else spawning(at_once, CONNECTIONS)
    serving = asyncio.ensure_future(server.serve(spawn_target))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        if drain is not None:
            await drain()
        server.stop()  # type: ignore[no-untyped-call]
    await serving
