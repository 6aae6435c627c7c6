import asyncio
import os
import signal

from library.process.child import Child
from library.process.program import CannotStart, Program, State
from tests.support.library.fake_members import BAD_DATA, CRASHES, LIVES, STUBBORN, fake_program
from tests.support.waiting import until


def live(child: Child, scenario) -> None:
    async def run() -> None:
        child.start()
        try:
            await scenario()
        finally:
            await child.stop()

    asyncio.run(run())


def make(program: Program) -> Child:
    return Child(program, lambda: None)


def test_a_killed_child_is_restarted(tmp_path):
    child = make(fake_program(tmp_path, "api"))

    async def scenario():
        await asyncio.wait_for(child.settled(), 10)
        assert child.state is State.RUNNING
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.state is State.RUNNING and child.pid not in (None, first))
        assert child.restarts == 1
        assert child.restarted_at_ms is not None
        assert child.last_error == "killed from outside"

    live(child, scenario)
    assert child.state is State.STOPPED
    assert child.pid is None


def test_a_child_is_given_up_after_five_crashes_with_the_reason(tmp_path):
    child = make(fake_program(tmp_path, "projector", CRASHES))

    async def scenario():
        await until(lambda: child.state is State.FAILED)
        assert child.restarts == 4
        assert child.last_error == "exit code 1: ValueError: the shelf is empty"
        child.start()
        assert child.state is State.STARTING, "a new start is a new try"

    live(child, scenario)


def test_a_child_waits_for_its_dependency_and_crashes_meanwhile_do_not_count(tmp_path):
    kafka = make(fake_program(tmp_path, "kafka"))
    source = "import sys, time, pathlib; "
    there = tmp_path / "kafka-is-there"
    source += f"ok = pathlib.Path({str(there)!r}).exists(); print('here') if ok else sys.exit(69); "
    api = Child(
        fake_program(tmp_path, "api", source + "sys.stdout.flush(); time.sleep(600)"), lambda: None, kafka
    )

    async def scenario():
        await until(lambda: api.state is State.RESTARTING and api.last_error == "exit code 69")
        assert api.restarts == 0
        there.touch()
        kafka.start()
        await until(lambda: api.state is State.RUNNING)
        assert api.restarts == 1
        await kafka.stop()

    live(api, scenario)


def test_a_child_that_exits_with_bad_data_is_not_restarted(tmp_path):
    child = make(fake_program(tmp_path, "projector", BAD_DATA))

    async def scenario():
        await until(lambda: child.state is State.FAILED)
        assert child.restarts == 0
        assert child.last_error == "exit code 65: version 3 is missing"

    live(child, scenario)


def test_a_child_that_ignores_sigterm_is_killed(tmp_path):
    child = make(fake_program(tmp_path, "gateway", STUBBORN, stop_timeout_s=0.2))

    async def scenario():
        await asyncio.wait_for(child.settled(), 10)
        pid = child.pid
        await child.stop()
        await until(lambda: gone(pid))

    live(child, scenario)


def test_a_first_start_that_cannot_work_is_not_retried_and_a_later_one_is(tmp_path):
    obstacles = [CannotStart("no Java here")]
    good = fake_program(tmp_path, "kafka")

    def command():
        if obstacles:
            raise obstacles.pop()
        return good.command()

    child = make(Program("kafka", command, good.ready, {}, good.log))

    async def scenario():
        await until(lambda: child.state is State.FAILED)
        assert child.last_error == "no Java here"
        child.start()
        await until(lambda: child.state is State.RUNNING)
        obstacles.append(CannotStart("the port is in use"))
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.last_error == "the port is in use")
        await until(lambda: child.state is State.RUNNING)

    live(child, scenario)


def test_an_error_that_did_not_prevent_the_start_is_not_its_last_one(tmp_path):
    complaint = 'print(\'{"level": "ERROR", "message": "no controller yet"}\', flush=True); '
    child = make(fake_program(tmp_path, "kafka", complaint + LIVES))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        assert child.last_error == ""

    live(child, scenario)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_missing_program_is_given_up_with_the_reason(tmp_path):
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    child = make(fake_program(tmp_path, "api"))

    async def scenario():
        await until(lambda: child.state is State.FAILED)
        assert "can't be started" in child.last_error

    live(child, scenario)
