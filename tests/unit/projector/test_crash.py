"""A crash that is told by another thread."""

import asyncio
from threading import Thread

import pytest
from mode import Service

from projector.batched_faust.crash import CrashInOwnLoop


class Told(CrashInOwnLoop):
    """As the parts of a worker are."""


class Plain(Service):
    """As mode has it."""


def crashed_by_another_thread(kind: type[Service]) -> list[BaseException]:
    """The errors of a thread that tells a service, which waits for a crash in its own loop."""
    errors: list[BaseException] = []

    async def wait() -> None:
        service = kind(loop=asyncio.get_running_loop())

        def tell() -> None:
            try:
                service._crash(ValueError("why"))
            except RuntimeError as error:
                errors.append(error)

        waiting = asyncio.ensure_future(service._crashed.wait())
        await asyncio.sleep(0)
        thread = Thread(target=tell)
        thread.start()
        if kind is Told:
            await asyncio.wait_for(waiting, 20)
            assert isinstance(service.crash_reason, ValueError)
        thread.join()

    loop = asyncio.new_event_loop()
    # It looks at the thread of each call then
    loop.set_debug(True)
    # Not asyncio.run, which would wait for the service that nobody could wake
    loop.run_until_complete(wait())
    loop.close()
    return errors


def test_a_service_is_told_in_its_own_loop() -> None:
    assert crashed_by_another_thread(Told) == []


def test_without_that_its_loop_is_used_by_another_thread() -> None:
    (error,) = crashed_by_another_thread(Plain)
    with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
        raise error


def test_a_service_whose_loop_is_closed_needs_not_be_told() -> None:
    loop = asyncio.new_event_loop()
    service = Told(loop=loop)
    loop.close()
    service._crash(ValueError("why"))
