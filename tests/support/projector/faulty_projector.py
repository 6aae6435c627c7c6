"""A projector that fails at chosen places: ``LIBRARY_TEST_FAULTS="die:after-append:3 session:6"``.

- ``die:PLACE:N`` kills the process at the Nth passing of PLACE, ``freeze:PLACE:N`` stops it there until it is
  thawed, ``fail:PLACE`` raises there
- ``memory:BYTES`` limits the memory for rows
- ``hang`` lets a stop take for ever
- ``debug`` lets its event loops refuse calls from other threads, which are not safe
- ``session:SECONDS`` shortens the group's session, ``batch:EVENTS`` makes batches small
- ``mutant:EVENT`` makes it count one copy too many on the shelf after events of this type
- ``next-release`` makes it a newer program, ``unknown:EVENT`` an older one
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from aiokafka import AIOKafkaProducer

from foundation.cli.app import run
from projector import __main__, app
from projector.batched_faust import changelog, fetching, store, table

PLACES: dict[str, tuple[type, str, bool]] = {
    "before-append": (changelog.Producer, "append", False),
    "in-transaction": (AIOKafkaProducer, "commit_transaction", False),
    "after-append": (changelog.Producer, "append", True),
    "after-store": (store.Store, "write", True),
    "before-commit": (fetching.ConsumerThread, "_commit", False),
    "after-commit": (fetching.ConsumerThread, "_commit", True),
    "after-claim": (table.Table, "claim", True),
}


def _die(place: str, passing: str) -> None:
    _signal(signal.SIGKILL, place, passing)


def _freeze(place: str, passing: str) -> None:
    _signal(signal.SIGSTOP, place, passing)


def _signal(number: int, place: str, passing: str) -> None:
    """Send this process the signal when it passes ``place`` for the Nth time."""
    owner, name, after = PLACES[place]
    left = int(passing)
    original = getattr(owner, name)

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

    async def waited(*args: Any, **kwargs: Any) -> Any:
        if not after:
            count()
        result = await original(*args, **kwargs)
        if after:
            count()
        return result

    def direct(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        count()
        return result

    setattr(owner, name, direct if name == "write" else waited)


def _session(seconds: str) -> None:
    _configured(lambda conf: setattr(conf, "broker_session_timeout", float(seconds)))


def _batch(events: str) -> None:
    _configured(lambda conf: setattr(conf, "broker_max_poll_records", int(events)))


def _memory(size: str) -> None:
    setattr(app, "memory_budget", lambda settings: int(size))  # noqa: B010


def _configured(change: Callable[[Any], None]) -> None:
    build = app.build

    def changed(*args: Any) -> app.App:
        built = build(*args)
        change(built.conf)
        return built

    setattr(app, "build", changed)  # noqa: B010


def _next_release() -> None:
    from tests.support.projector.next_release import installed

    _STAYING.enter_context(installed())


def _mutant(event: str) -> None:
    from msgspec.structs import replace

    from inventory import row_fold

    apply: Any = row_fold._apply

    def wrong(row: Any, version: int, happened: Any) -> Any:
        after = apply(row, version, happened)
        return replace(after, available=after.available + (type(happened).__name__ == event))

    setattr(row_fold, "_apply", wrong)  # noqa: B010


def _fail(place: str) -> None:
    owner, name, _ = PLACES[place]

    async def failing(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{place} was made to fail")

    setattr(owner, name, failing)


def _hang() -> None:
    """Make a stop never end."""

    async def hanging(self: Any) -> None:
        await asyncio.Event().wait()

    setattr(app.App, "on_stop", hanging)  # noqa: B010
    app.end_within.__defaults__ = (1.0,)


def _debug() -> None:
    """Make each event loop look at the thread of each call; it is slow."""
    os.environ["PYTHONASYNCIODEBUG"] = "1"


def _unknown(event: str) -> None:
    """Make this process an older program without the schema of that event."""
    from projector.fold.wire_steps import STEPS
    from schemas import codec

    schemas: Any = codec.CODEC.schemas
    number = codec.newest(event).id
    del schemas[number]
    # The decoder of its values, by their first five bytes
    del codec.CODEC._flat[b"\0" + number.to_bytes(4, "big")]
    steps: Any = STEPS
    steps.pop(event, None)


_STAYING = ExitStack()
_FAULTS: dict[str, Callable[..., None]] = {
    "die": _die,
    "freeze": _freeze,
    "session": _session,
    "batch": _batch,
    "memory": _memory,
    "next-release": _next_release,
    "unknown": _unknown,
    "fail": _fail,
    "mutant": _mutant,
    "hang": _hang,
    "debug": _debug,
}

if __name__ == "__main__":
    for fault in os.environ["LIBRARY_TEST_FAULTS"].split():
        name, *arguments = fault.split(":")
        _FAULTS[name](*arguments)
    run(__main__.projector, "projector")
