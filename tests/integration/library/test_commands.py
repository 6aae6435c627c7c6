import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from eventstore.topics import events_topic
from library.cli import COMMANDS, library
from library.commands.config import config
from library.commands.logs import logs
from library.commands.system import down, status
from library.commands.topics import topics
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import added_and_removed, write_events


def test_every_listed_command_exists_and_has_a_help_text():
    context = click.Context(library)
    for name in COMMANDS:
        found = library.get_command(context, name)
        assert found is not None, name
        first = found.get_short_help_str(200)
        assert first.endswith("."), f"{name} has no first sentence"


def test_help_imports_no_slow_module():
    slow = "confluent_kafka|litestar|faust|rich|fastavro|granian|psutil|requests|asyncio"
    code = (
        "import sys; from library.cli import library; sys.stdout = sys.stderr\n"
        "try: library.main(['--help'])\n"
        f"except SystemExit: print([m for m in sys.modules if m in {slow.split('|')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_command_without_a_system_says_how_to_start_one(settings):
    for program in (down, status):
        done = run_command(program, settings)
        assert done.exit_code == 69
        assert "`library up` starts one" in done.stderr


def test_config_lists_each_setting_with_its_source(settings):
    done = run_command(config, settings, "show", "--json")
    rows = {row["setting"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["name"] == {"setting": "name", "value": settings.name, "source": "environment"}
    assert rows["loan_days"] == {"setting": "loan_days", "value": 21, "source": "default"}
    assert set(rows) == set(settings.__struct_fields__)


def test_config_does_not_show_secrets(settings, monkeypatch):
    monkeypatch.setenv("LIBRARY_KAFKA_PASSWORD", "sesame")
    done = run_command(config, settings, "show")
    assert "sesame" not in done.stdout
    assert "kafka_password\t…\tenvironment" in done.stdout


def test_topics_are_created_once_and_described(new_settings):
    settings = new_settings()
    settings = replace(settings, name=f"{settings.name}-2", partitions=2)
    for _ in range(2):
        done = run_command(topics, settings, "create")
        assert done.exit_code == 0, done.stderr
    write_events(settings, added_and_removed(3))
    done = run_command(topics, settings, "describe", "--json")
    events, changelog, names = map(json.loads, done.stdout.splitlines())
    assert events["topic"] == events_topic(settings)
    assert (events["partitions"], events["replication"]) == (2, 1)
    assert events["records"] >= 6
    assert events["config"]["cleanup.policy"] == "compact"
    assert changelog["config"]["flush.messages"]
    assert (names["topic"], names["partitions"]) == (f"{settings.name}.names", 1)
    wrong = run_command(topics, replace(settings, partitions=3), "create")
    assert wrong.exit_code == 1
    assert "LIBRARY_PARTITIONS=2" in wrong.stderr
    missing = run_command(topics, replace(settings, name="nobody"), "describe")
    assert missing.exit_code == 69
    assert "library topics create" in missing.stderr


@pytest.fixture
def logged(settings):
    folder = Path(settings.data_dir) / "logs"
    folder.mkdir(parents=True)
    lines = [{"time": f"2026-05-01T12:00:0{n}", "level": "INFO", "message": f"line {n}"} for n in range(6)]
    (folder / "api.log").write_text("".join(json.dumps(line) + "\n" for line in lines[::2]) + "Traceback\n")
    (folder / "kafka.log").write_text("".join(json.dumps(line) + "\n" for line in lines[1::2]))
    return settings


def test_logs_are_merged_by_time(logged):
    done = run_command(logs, logged)
    said = re.findall(r"line \d|Traceback", done.stdout)
    assert said == ["line 0", "line 1", "line 2", "line 3", "line 4", "Traceback", "line 5"]
    assert re.findall(r"line \d", run_command(logs, logged, "kafka", "-n", "2").stdout) == [
        "line 3",
        "line 5",
    ]


def test_an_unknown_log_lists_the_existing_ones(logged):
    done = run_command(logs, logged, "gateway")
    assert done.exit_code == 4
    assert "api, kafka" in done.stderr


def test_followed_logs_survive_rotation(logged):
    log = Path(logged.data_dir) / "logs" / "api.log"
    following = subprocess.Popen(
        [sys.executable, "-m", "library", "logs", "api", "-f", "-n", "1", "--data-dir", logged.data_dir],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert following.stdout.readline() == "Traceback\n"
        with log.open("a") as file:
            file.write("more\n")
        assert following.stdout.readline() == "more\n"
        log.rename(log.with_suffix(".log.1"))
        log.write_text("new\n")
        assert following.stdout.readline() == "new\n"
    finally:
        following.kill()
        following.wait()
        following.stdout.close()
