"""The whole system on one machine, killed, stopped and started as machines do it."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from library.system.run_file import is_alive
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

NAMES = ["kafka", "projector", "api", "gateway", "audit"]
ISBNS = ["9781593275846", "9781680502992"]


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A system with one title, shared by the tests of this file; each leaves it running."""
    made = System(tmp_path_factory.mktemp("system"))
    with made.running() as done:
        assert f"curl http://127.0.0.1:{made.port}/inventory/{ISBNS[0]}" in done.stdout
        assert "library add 978-1593275846" in done.stdout
        added = made.send("first", type="AddBook", isbn=ISBNS[0], title="Elixir in Action", quantity=10)
        assert added[0] == 201, added
        eventually(made.runs)
        yield made


def see(system, isbn=ISBNS[0]):
    status, row = system.get(f"/inventory/{isbn}")
    return row if status == 200 else None


def gateways(system):
    """The gateways in the operations view, and whether each is ready."""
    _, operations = system.get("/operations")
    return {gateway["url"]: gateway["ready"] for gateway in operations["gateways"]}


def test_up_prints_the_addresses_of_a_system_that_answers(system):
    assert eventually(lambda: see(system))["quantity"] == 10
    assert system.run.api == f"http://127.0.0.1:{system.port}"
    assert system.run.kafka == f"127.0.0.1:{system.kafka_port}"
    assert [known.name for known in system.run.processes] == NAMES
    deeper = system.folder / "a" / "b"
    deeper.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "library", "status"], cwd=deeper, capture_output=True, text=True, check=True
    )
    header, *lines = done.stdout.splitlines()
    assert header.split("\t")[:2] == ["name", "state"]
    assert [line.split("\t")[:2] for line in lines] == [[n, "running"] for n in NAMES]
    report = json.loads(system.done("status", "--json"))
    assert [process["name"] for process in report["processes"]] == NAMES
    assert (report["lag"], report["held"]) == (0, 0)


def test_operations_list_the_one_gateway(system):
    eventually(lambda: all(gateways(system).values()))
    assert list(gateways(system)) == [f"http://127.0.0.1:{system.gateway_port}"]


@pytest.mark.parametrize("name", NAMES)
def test_killed_processes_restart_and_no_event_is_lost(system, name):
    before = see(system)
    killed = system.pid(name)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: system.pid(name) != killed)
    eventually(system.runs)
    assert system.status()[name]["restarts"] >= 1
    assert see(system) == before
    user = f"user-{name}"
    status, receipt = system.send(user, type="BorrowBook", isbn=ISBNS[0], user_id=user)
    assert status == 201, receipt
    _, after = system.get(f"/inventory/{ISBNS[0]}?after={receipt['position']}&timeout=20")
    assert after["on_loan"] == before["on_loan"] + 1


def test_a_replay_rebuilds_the_same_table(system):
    before = see(system)
    projector = system.pid("projector")
    done = system.library("replay")
    assert done.returncode == 0, done.stderr
    assert "replayed" in done.stderr
    assert system.pid("projector") != projector
    assert see(system) == before
    assert system.runs()


def test_a_second_start_in_its_directory_is_refused(system):
    done = system.up()
    assert done.returncode == 1
    assert f"process {system.run.supervisor.pid}" in done.stderr
    assert system.runs()


def test_a_second_system_runs_beside_the_first_and_stops_on_ctrl_c(system, tmp_path):
    other = System(tmp_path)
    with other.in_foreground() as up:
        eventually((other.data_dir / "run.json").exists)
        other.send("a", type="AddBook", isbn=ISBNS[1], title="Programming Elixir", quantity=1)
        eventually(lambda: see(other, ISBNS[1]))
        assert see(other) is None
        assert see(system, ISBNS[1]) is None
        processes = other.run.processes
        up.send_signal(signal.SIGINT)
        said, _ = up.communicate(timeout=60)
    assert up.returncode == 0
    assert "Ctrl-C" in said
    assert not any(is_alive(known) for known in processes)
    assert sorted(path.name for path in other.data_dir.iterdir()) == ["api", "kafka", "logs", "projector-0"]
    assert system.runs()


def test_the_system_recovers_from_a_frozen_kafka(system):
    before = see(system)
    kafka = system.pid("kafka")
    os.kill(kafka, signal.SIGSTOP)
    try:
        assert see(system) == before, "the replica answers without Kafka"
    finally:
        os.kill(kafka, signal.SIGCONT)
    eventually(system.runs)
    assert system.pid("kafka") == kafka


def test_down_and_up_keeps_everything(system):
    before, everything = see(system), [system.all("/inventory"), system.all("/loans")]
    processes = system.run.processes
    done = system.library("down")
    assert done.returncode == 0, done.stderr
    assert not any(is_alive(known) for known in processes)
    assert not (system.data_dir / "run.json").exists()
    assert system.library("status").returncode == 69
    assert system.library("inventory", "--api", f"http://127.0.0.1:{system.port}").returncode == 69
    assert system.up().returncode == 0
    assert see(system) == before
    assert [system.all("/inventory"), system.all("/loans")] == everything
    status, receipt = system.send("later", type="BorrowBook", isbn=ISBNS[0], user_id="later")
    assert status == 201, receipt
    later = system.get(f"/inventory/{ISBNS[0]}", after=receipt["position"], timeout="20").value
    assert later["on_loan"] == before["on_loan"] + 1


def test_a_system_starts_after_its_supervisor_was_killed(system):
    before = see(system)
    run = system.run
    os.kill(run.supervisor.pid, signal.SIGKILL)
    eventually(lambda: not is_alive(run.supervisor))
    done = system.up()
    assert done.returncode == 0, done.stderr
    assert not any(is_alive(known) for known in run.processes)
    assert see(system) == before


def test_up_names_a_port_in_use_before_starting_anything(tmp_path):
    system = System(tmp_path)
    for flag, name in (("kafka_port", "Kafka"), ("port", "the query API"), ("gateway_port", "the gateway")):
        with socket.create_server(("127.0.0.1", 0)) as server:
            free = getattr(system, flag)
            setattr(system, flag, server.getsockname()[1])
            done = system.up()
            setattr(system, flag, free)
        assert done.returncode == 1
        assert f"for {name} is in use by" in done.stderr
        assert f"--{flag.replace('_', '-')} PORT" in done.stderr
    assert not (system.data_dir / "kafka").exists()


@pytest.mark.parametrize("how", [["--detach"], []])
def test_up_says_what_is_missing_and_how_to_get_it(tmp_path, how):
    system = System(tmp_path)
    no_java = system.library("up", *system.flags, *how, LIBRARY_JAVA=str(tmp_path / "java"))
    assert no_java.returncode == 1
    assert "kafka could not be started" in no_java.stderr
    assert "Kafka needs Java 17 or newer" in no_java.stderr
    (tmp_path / "file").touch()
    no_folder = system.library("up", *system.flags, *how, "--data-dir", "file")
    assert no_folder.returncode == 1
    assert "choose another with --data-dir" in no_folder.stderr
    newer = system.data_dir / "kafka" / "format.json"
    newer.parent.mkdir(parents=True, exist_ok=True)
    newer.write_text('{"kafka": "5.0.0"}')
    done = system.library("up", *system.flags, *how)
    assert done.returncode == 1
    assert "formatted by Kafka 5.0.0" in done.stderr
    assert "Traceback" not in no_java.stderr + no_folder.stderr + done.stderr


def test_up_uses_an_external_kafka_and_does_not_stop_it(broker, tmp_path):
    system = System(tmp_path)
    with system.running("--kafka", broker, "--name", "guest"):
        assert [known.name for known in system.run.processes] == NAMES[1:]
        system.send("a", type="AddBook", isbn=ISBNS[1], title="Programming Elixir", quantity=1)
        eventually(lambda: see(system, ISBNS[1]))
    assert not (system.data_dir / "kafka").exists()


def test_up_exits_with_69_if_an_external_kafka_does_not_answer(tmp_path):
    system = System(tmp_path)
    done = system.up("--kafka", f"127.0.0.1:{system.kafka_port}", LIBRARY_DEADLINE="1")
    assert done.returncode == 69
    assert "can't be used" in done.stderr
    assert not (system.data_dir / "run.json").exists()


def test_up_interrupted_during_its_start_stops_everything_and_says_so(tmp_path):
    system = System(tmp_path)
    with system.in_foreground() as up:
        eventually((system.data_dir / "control.sock").exists)
        up.send_signal(signal.SIGINT)
        assert "interrupted" in up.communicate(timeout=60)[1]
    assert up.returncode == 130
    assert not (system.data_dir / "run.json").exists()
