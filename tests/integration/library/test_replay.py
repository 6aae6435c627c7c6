import json
import os

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.positions import format_positions
from eventstore.topics import events_topic
from foundation.cli import exits
from foundation.kafka_clients import client_config, reading_config
from library.commands.events import events
from library.commands.groups import groups
from library.commands.replay import replay
from library.store.offsets import at_time, beginning, committed, group_lag, settled_end
from schemas.reader import open_reader
from schemas.topics import projector_group
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import BEGAN, added_and_removed, write_events
from tests.support.waiting import eventually


@pytest.fixture
def full(new_settings):
    """Two partitions with 100 titles; times of the events are BEGAN to BEGAN + 199."""
    settings = new_settings(partitions=2)
    write_events(settings, added_and_removed(100))
    # The transaction's end takes an offset of each partition, too, and comes a moment later
    eventually(lambda: sum(settled_end(settings, events_topic(settings), 20).values()) == 202)
    return settings


@pytest.fixture
def admin(full):
    return AdminClient(client_config(full))


def commit(settings, group, to):
    consumer = Consumer(reading_config(settings) | {"group.id": group})
    topic = events_topic(settings)
    consumer.commit(offsets=[TopicPartition(topic, p, o) for p, o in to.items()], asynchronous=False)
    consumer.close()


def test_replay_resets_a_group_to_the_beginning_a_time_or_an_offset(full, admin):
    topic, group = events_topic(full), f"{full.name}-overdue"
    last = settled_end(full, topic, 20)
    commit(full, group, last)
    assert sum(group_lag(full, topic, group).values()) == 0

    assert run_command(replay, full, "--group", group, "--to-beginning").exit_code == 0
    assert committed(full, topic, group) == {0: 0, 1: 0}
    assert sum(group_lag(full, topic, group).values()) == sum(last.values())

    # To Kafka -1 is the end, and other negative times are unknown
    for before_1970 in ("1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z"):
        commit(full, group, last)
        assert run_command(replay, full, "--group", group, "--to-time", before_1970).exit_code == 0
        assert committed(full, topic, group) == {0: 0, 1: 0}

    half = "2023-11-14T22:13:20.100Z"
    assert run_command(replay, full, "--group", group, "--to-time", half).exit_code == 0
    assert committed(full, topic, group) == at_time(full, topic, BEGAN + 100)
    assert committed(full, topic, group) != beginning(full, topic)

    assert run_command(replay, full, "--group", group, "--to-time", "2050-01-01T00:00:00Z").exit_code == 0
    assert committed(full, topic, group) == last

    done = run_command(replay, full, "--group", group, "--to-offset", "1:7")
    assert done.exit_code == 0
    assert "1:7" in done.stderr
    assert committed(full, topic, group) == {0: last[0], 1: 7}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--group", "g"], "give one of"),
        (["--group", "g", "--to-beginning", "--to-offset", "0:1"], "give one of"),
        (["--group", "g", "--to-time", "yesterday"], "2026-05-09T12:00:00Z"),
        (["--group", "g", "--to-offset", "3"], "3:17"),
        (["--group", "g", "--to-offset", "9:1"], "there is no partition 9"),
        (["--group", "g", "--to-offset", "0:100000"], "not 100000"),
        (["--to-time", "2026-05-09T12:00:00Z"], "from the beginning only"),
    ],
)
def test_replay_refuses_impossible_arguments(full, arguments, says):
    done = run_command(replay, full, *arguments)
    assert done.exit_code == 2
    assert says in done.stderr


def test_replay_refuses_an_active_group_and_names_its_members(full, admin):
    group = f"{full.name}-busy"
    consumer = Consumer(
        reading_config(full) | {"group.id": group, "client.id": "the-report", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([events_topic(full)])
    try:
        eventually(lambda: consumer.poll(0.1) is not None)
        done = run_command(replay, full, "--group", group, "--to-beginning")
        assert done.exit_code == 1
        assert "the-report at " in done.stderr
        assert committed(full, events_topic(full), group) == {}
    finally:
        consumer.close()
    assert run_command(replay, full, "--group", group, "--to-beginning").exit_code == 0


def test_replay_resets_the_projector_when_no_system_runs(full, admin):
    topic, group = events_topic(full), projector_group(full)
    commit(full, group, settled_end(full, topic, 20))
    done = run_command(replay, full)
    assert done.exit_code == 0
    assert "when it is started" in done.stderr
    assert committed(full, topic, group) == {0: 0, 1: 0}


@pytest.mark.parametrize("group", ["", " ", "a\u200bb", "x" * 201, "a\nb"])
def test_a_group_needs_a_name(full, group):
    for done in (
        run_command(replay, full, "--group", group, "--to-beginning"),
        run_command(events, full, "--group", group),
    ):
        assert (done.exit_code, done.stdout) == (exits.MALFORMED, "")
        assert "a group's name is for example overdue-notices" in done.stderr
    with pytest.raises(ValueError, match="needs a name"):
        open_reader("", settings=full)


def test_a_reading_without_an_event_says_so(full):
    begin = "--from", "2050-01-01"
    for group, said in ([], "no events\n"), (["--group", f"{full.name}-late"], "no new events\n"):
        done = run_command(events, full, *group, *begin)
        assert (done.exit_code, done.stdout, done.stderr) == (exits.DONE, "", said)


def test_the_projectors_group_is_not_one_of_your_own(full):
    done = run_command(events, full, "--group", projector_group(full))
    assert done.exit_code == exits.MALFORMED
    assert "is the projector's group" in done.stderr


def test_replay_refuses_an_unknown_group_and_names_the_groups(full, admin):
    topic, group = events_topic(full), f"{full.name}-overdue"
    for option in (["--to-beginning"], ["--to-time", "2026-01-31"], ["--to-offset", "0:0"]):
        done = run_command(replay, full, "--group", "typo", *option)
        assert done.exit_code == exits.NOT_FOUND
        assert "groups that read the events: none." in done.stderr
    commit(full, group, {0: 3})
    done = run_command(replay, full, "--group", "typo", "--to-beginning")
    assert f"there is no group typo; groups that read the events: {group}." in done.stderr
    assert committed(full, topic, "typo") == {}


def test_groups_lists_members_offsets_and_lag(full, admin):
    topic = events_topic(full)
    done = run_command(groups, full)
    assert (done.exit_code, done.stdout) == (exits.DONE, "")
    assert done.stderr == "no consumer group reads the events\n"
    last = settled_end(full, topic, 20)
    commit(full, f"{full.name}-one", last)
    commit(full, f"{full.name}-two", {0: last[0]})
    with open_reader(f"{full.name}-three", settings=full) as reader:
        next(iter(reader.follow()))
        rows = {
            row["group"]: row
            for row in map(json.loads, run_command(groups, full, "--json").stdout.splitlines())
        }
    assert list(rows) == [f"{full.name}-{name}" for name in ("one", "three", "two")]
    one, three, two = rows.values()
    assert (one["state"], one["members"], one["lag"]) == ("empty", [], 0)
    assert one["offsets"] == format_positions(last)
    assert (two["lag"], two["offsets"]) == (last[1], f"0:{last[0]}")
    assert three["state"] == "stable"
    (member,) = three["members"]
    assert member.startswith(f"library-{os.getpid()} at ")
    header, *lines = run_command(groups, full).stdout.splitlines()
    assert header == "group\tstate\tmembers\tlag\toffsets"
    assert len(lines) == 2
