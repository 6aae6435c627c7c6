import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from foundation.cli import exits
from foundation.cli.app import CommandError
from library.process.program import CannotStart
from library.system import startup
from library.system.control import NotRunning, RequestRefused, connected
from library.system.run_file import (
    AlreadyRunning,
    ProcessRecord,
    Run,
    clean_up,
    is_alive,
    owned,
    process_record,
    read_run,
    write_run,
)
from tests.support.freezing import freeze, thaw
from tests.support.library.fake_members import BAD_DATA, CRASHES, LIVES, fake_program, fake_system
from tests.support.waiting import eventually, until

NAMES = ["kafka", "projector", "api", "gateway"]


def supervised(supervisor, scenario) -> None:
    """Run the system, and ``scenario`` in it once it is ready."""

    async def run() -> None:
        ready = asyncio.Event()
        life = asyncio.create_task(supervisor.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([life, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=20)
        try:
            if ready.is_set():
                await scenario()
        finally:
            supervisor.ask_to_stop()
            await life

    asyncio.run(run())


async def ask(data_dir: Path, *what: str) -> list[dict]:
    """Ask one after the other in one session, as a program beside the supervisor does."""

    def asking():
        with connected(data_dir, 10) as control:
            return [control.request(each) for each in what]

    return await asyncio.to_thread(asking)


def test_a_ready_system_writes_its_addresses_and_processes(tmp_path):
    supervisor = fake_system(tmp_path)

    async def scenario():
        run = read_run(tmp_path)
        assert [known.name for known in run.processes] == NAMES
        assert run.supervisor.pid == os.getpid()
        assert all(is_alive(known) for known in run.processes)
        [status] = await ask(tmp_path, "status")
        assert [(p["name"], p["state"]) for p in status["processes"]] == [(n, "running") for n in NAMES]
        assert (tmp_path / "control.sock").stat().st_mode & 0o077 == 0, "for this user only"

    supervised(supervisor, scenario)
    assert not (tmp_path / "run.json").exists()
    assert not (tmp_path / "control.sock").exists()
    with pytest.raises(NotRunning):
        asyncio.run(ask(tmp_path, "status"))


def test_a_system_is_ready_without_its_audit_and_goes_on_when_that_fails(tmp_path):
    supervisor = fake_system(tmp_path, audit=BAD_DATA)

    async def scenario():
        def states():
            return {child.program.name: child.state for child in supervisor.children}

        await until(lambda: states()["audit"] == "failed")
        assert [states()[name] for name in NAMES] == ["running"] * len(NAMES)
        [status] = await ask(tmp_path, "status")
        assert status["processes"][-1]["last_error"] == "exit code 65: version 3 is missing"

    supervised(supervisor, scenario)
    assert all(child.pid is None for child in supervisor.children)


def test_a_restart_is_recorded_in_the_run_file(tmp_path):
    supervisor = fake_system(tmp_path)

    async def scenario():
        before = {known.name: known.pid for known in read_run(tmp_path).processes}
        os.kill(before["api"], signal.SIGKILL)

        def after():
            return {known.name: known.pid for known in read_run(tmp_path).processes}

        await until(lambda: after().get("api") not in (None, before["api"]))
        assert after() | {"api": 0} == before | {"api": 0}, "the others lived on"

    supervised(supervisor, scenario)


def test_a_failed_start_stops_every_process_and_names_the_cause(tmp_path):
    supervisor = fake_system(tmp_path, gateway=CRASHES)
    with pytest.raises(CannotStart, match=r"gateway could not be started: exit code 1.*gateway\.log"):
        supervised(supervisor, lambda: None)
    assert all(child.pid is None for child in supervisor.children)
    assert not (tmp_path / "run.json").exists()


def test_topics_are_made_again_if_kafka_did_not_answer(tmp_path):
    refusals = [CannotStart("Kafka can't be used: timed out")]
    asked = []

    def topics():
        if refusals:
            raise refusals.pop()

    def answers():
        asked.append("does Kafka answer?")
        return len(asked) > 1

    supervisor = fake_system(tmp_path)
    supervisor._topics = topics
    kafka = supervisor.kafka
    kafka.program = msgspec.structs.replace(kafka.program, answers=answers)

    async def scenario():
        assert refusals == []
        assert asked

    supervised(supervisor, scenario)


def test_topics_that_a_working_kafka_refuses_end_the_start(tmp_path):
    def topics():
        raise CannotStart("the topic has 10 partitions")

    supervisor = fake_system(tmp_path)
    supervisor._topics = topics
    with pytest.raises(CannotStart, match="10 partitions"):
        supervised(supervisor, lambda: None)


def test_a_stop_thaws_a_frozen_kafka_before_it_stops_the_others(tmp_path):
    """The gateway, for example, still answers the commands that it has accepted."""
    moved, seen = tmp_path / "moved", tmp_path / "seen"
    kafka = (
        "import pathlib, signal, time; "
        f"signal.signal(signal.SIGCONT, lambda *_: pathlib.Path({str(moved)!r}).touch()); "
        "print('here', flush=True); [time.sleep(0.05) for _ in range(12000)]"
    )
    gateway = (
        "import pathlib, signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *_: stop()); print('here', flush=True)\n"
        "def stop():\n"
        f"    while not pathlib.Path({str(moved)!r}).exists(): time.sleep(0.02)\n"
        f"    sys.exit(pathlib.Path({str(seen)!r}).touch())\n"
        "time.sleep(600)"
    )
    supervisor = fake_system(tmp_path, kafka=kafka, gateway=gateway)

    async def scenario():
        await asyncio.to_thread(freeze, supervisor.kafka.pid)

    supervised(supervisor, scenario)
    assert seen.exists()


def test_a_frozen_start_in_the_background_is_reported(monkeypatch):
    monkeypatch.setattr(startup, "FROZEN_INTERVAL_S", 0.02)
    monkeypatch.setattr(startup, "FROZEN_LIMIT_S", 0.2)
    read_end, write_end = os.pipe()
    shown: list[str] = []
    with (
        subprocess.Popen([sys.executable, "-c", LIVES], stdout=subprocess.DEVNULL) as process,
        os.fdopen(read_end, "rb", buffering=0) as pipe,
        os.fdopen(write_end, "wb", buffering=0) as report,
    ):
        try:
            report.write(b'{"line": "Kafka is ready"}\n')
            freeze(process.pid)
            with pytest.raises(CommandError, match=f"kill -CONT {process.pid}") as raised:
                startup._wait_until_ready(pipe, process, shown.append)
            assert (raised.value.exit_code, shown) == (exits.UNAVAILABLE, ["Kafka is ready"])
            thaw(process.pid)
            report.write(b'{"ready": true}\n')
            assert startup._wait_until_ready(pipe, process, shown.append)
        finally:
            process.kill()


def test_the_projector_pauses_for_a_replay_and_resumes_if_the_replayer_dies(tmp_path):
    supervisor = fake_system(tmp_path)

    async def scenario():
        [projector] = supervisor.projectors
        first = projector.pid
        with connected(tmp_path, 10) as control:
            await asyncio.to_thread(control.request, "pause")
            assert projector.state == "stopped"
            with pytest.raises(RequestRefused, match="another"):
                await ask(tmp_path, "pause")
        await until(lambda: projector.state == "running" and projector.pid != first)
        await ask(tmp_path, "pause", "resume")
        await until(lambda: projector.state == "running")

    supervised(supervisor, scenario)


def test_projectors_start_and_stop_with_their_tables_while_the_others_go_on(tmp_path):
    names = ["projector"]
    supervisor = fake_system(tmp_path, projectors=lambda beside: [*names])

    async def scenario():
        [first] = supervisor.projectors
        pid = first.pid
        names.append("projector.2")
        await ask(tmp_path, "tables")
        await until(lambda: all(child.state == "running" for child in supervisor.projectors))
        assert [child.program.name for child in supervisor.projectors] == names
        assert first.pid == pid
        names.remove("projector")
        [reply] = await ask(tmp_path, "tables")
        assert [process["name"] for process in reply["processes"]] == names
        assert first.state == "stopped"
        [second] = supervisor.projectors
        assert second.state == "running"
        assert "projector.2" in {known.name for known in read_run(tmp_path).processes}

    supervised(supervisor, scenario)


def test_an_unknown_control_request_is_answered(tmp_path):
    supervisor = fake_system(tmp_path)

    async def scenario():
        with pytest.raises(RequestRefused, match="has no action"):
            await ask(tmp_path, "dance")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control.sock")
        writer.write(b"\xff{\n")
        assert "error" in json.loads(await reader.readline())
        writer.close()

    supervised(supervisor, scenario)


def test_a_data_directory_may_exceed_the_socket_path_limit(tmp_path):
    deep = tmp_path / ("a" * 90) / ("b" * 90)
    deep.mkdir(parents=True)

    async def scenario():
        [status] = await ask(deep, "status")
        assert status["ready"]

    supervised(fake_system(deep), scenario)


def test_two_systems_cannot_share_a_data_directory(tmp_path):
    with owned(tmp_path), pytest.raises(AlreadyRunning, match="library down"), owned(tmp_path):
        pass
    with owned(tmp_path):
        pass


def little_process(data_dir: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "tests.support.library.fake_members", str(data_dir)])


def test_a_killed_supervisor_leaves_nothing_running(tmp_path):
    process = little_process(tmp_path)
    run = eventually(lambda: read_run(tmp_path))
    process.kill()
    process.wait()
    if sys.platform == "linux":
        eventually(lambda: not any(is_alive(known) for known in run.processes))
    assert (tmp_path / "run.json").exists()
    assert (tmp_path / "control.sock").exists()
    again = little_process(tmp_path)
    try:
        eventually(lambda: (now := read_run(tmp_path)) and now.supervisor.pid == again.pid)
    finally:
        with connected(tmp_path) as control:
            control.request("stop")
        assert again.wait(20) == 0


def test_leftovers_of_a_killed_supervisor_are_ended_unless_their_pid_was_reused(tmp_path):
    left, foreign = (subprocess.Popen([sys.executable, "-c", LIVES]) for _ in range(2))
    try:
        old, mine = process_record("api", left.pid), process_record("supervisor", os.getpid())
        reused = ProcessRecord("gateway", foreign.pid, process_record("gateway", foreign.pid).started - 100)
        write_run(
            Run(
                kafka="", api="", gateway="", name="library", partitions=8, data_dir=str(tmp_path),
                supervisor=mine, processes=[old, reused],
            )
        )  # fmt: skip
        assert clean_up(tmp_path) == [old]
        assert left.wait(10) == -signal.SIGTERM
        assert foreign.poll() is None
        assert read_run(tmp_path) is None
    finally:
        for process in (left, foreign):
            process.kill()
            process.wait()


def test_one_process_is_restarted_stopped_and_started_by_its_name(tmp_path):
    supervisor = fake_system(tmp_path)
    api = supervisor.servers[0]

    def request(action, name):
        with connected(tmp_path, 20) as control:
            return control.request(action, name)

    async def scenario():
        first = api.pid
        status = await asyncio.to_thread(request, "restart", "api")
        assert (status["state"], status["pid"] != first) == ("running", True)
        status = await asyncio.to_thread(request, "stop", "api")
        assert (status["state"], status["pid"]) == ("stopped", None)
        assert all(child.state == "running" for child in supervisor.children if child is not api)
        status = await asyncio.to_thread(request, "start", "api")
        assert status["state"] == "running"
        with pytest.raises(RequestRefused, match="'apy'; the processes are kafka, projector, api, gateway"):
            await asyncio.to_thread(request, "restart", "apy")
        with connected(tmp_path, 10) as control:
            await asyncio.to_thread(control.request, "pause")
            with pytest.raises(RequestRefused, match="library replay"):
                await asyncio.to_thread(request, "start", "projector")

    supervised(supervisor, scenario)


def test_a_start_that_fails_answers_after_the_first_attempt(tmp_path, monkeypatch):
    supervisor = fake_system(tmp_path)
    api = supervisor.servers[0]

    def request():
        with connected(tmp_path, 20) as control:
            return control.request("restart", "api")

    async def scenario():
        api.program = fake_program(tmp_path, "api", CRASHES)
        status = await asyncio.to_thread(request)
        assert status["state"] != "running"
        assert "the shelf is empty" in status["last_error"]
        await until(lambda: api.state == "failing", 20)

    supervised(supervisor, scenario)
