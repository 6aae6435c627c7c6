"""The notary as a process, on a real broker."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from eventstore.groups import committed_offsets
from eventstore.partition_reader import read_partition
from eventstore.topics import events_topic
from evidence.checkpoint import Origin, open_checkpoint, parse_origin
from evidence.leaf import leaf_data, leaf_hash
from evidence.merkle import Tree, check_consistency
from evidence.note import Signer, new_key
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.process.die_with_parent import dying_with_me
from library.store.offsets import end
from library.system.members import environment_of
from schemas.checkpoints import checkpoints_topic, notary_group
from schemas.topics import identify
from tests.support.notary_runs import (
    add_titles,
    checkpoints,
    folder_of,
    leaves,
    notarise,
    notes,
    produce_outside,
    signer_of,
)
from tests.support.producer.writer_calls import committed_records
from tests.support.steady_writes import steady_writes
from tests.support.waiting import eventually


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    return new_settings(partitions=2, notary_interval=0.2)


def notary_process(settings: Settings, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "notary", "--ready-file", str(ready_file(settings)), *arguments]
    with (Path(settings.data_dir) / "notary.log").open("ab") as log:
        return subprocess.Popen(
            dying_with_me(command), env=environment_of(settings, os.environ), stdout=log, stderr=log
        )


def ready_file(settings: Settings) -> Path:
    return Path(settings.data_dir) / "ready"


def signed_sizes(settings: Settings) -> dict[int, int]:
    """The last signed number of events of each partition."""
    return {parse_origin(one.origin).partition: one.size for one in checkpoints(settings)}


def record_leaves(settings: Settings, partition: int) -> list[bytes]:
    """The leaves of the committed records, as somebody else would compute them."""
    found = []
    for record in committed_records(settings, partition):
        headers: Any = record.headers()
        found.append(leaf_hash(leaf_data(record.timestamp()[1], record.key(), record.value(), headers)))
    return found


def group_offsets(settings: Settings) -> dict[int, int]:
    return committed_offsets(settings, events_topic(settings), notary_group(settings), 20)


def topic_records(settings: Settings) -> list[tuple[bytes | None, str]]:
    """Keys and values in the topic of checkpoints."""
    topic = checkpoints_topic(settings)
    last = end(settings, topic)[0]
    return [
        (record.key(), (record.value() or b"").decode())
        for record in read_partition(settings, topic, 0, end=last)
    ]


def test_checkpoints_cover_old_and_new_events_and_each_one_begins_the_next(settings: Settings) -> None:
    add_titles(settings, range(40))
    signer, taken = signer_of(settings), Path(settings.data_dir) / "taken"
    process = notary_process(settings, "--publish", f"cat >>{taken}; echo >>{taken}")
    try:
        eventually(ready_file(settings).exists)
        assert ready_file(settings).read_text() == "ready\n"
        for first in range(40, 160, 40):
            before = sum(signed_sizes(settings).values())
            add_titles(settings, range(first, first + 40))
            eventually(lambda before=before: sum(signed_sizes(settings).values()) > before)
        add_titles(settings, range(160, 170))
        eventually(lambda: sum(signed_sizes(settings).values()) == 170)
        eventually(lambda: group_offsets(settings).keys() == {0, 1})
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert not ready_file(settings).exists()
    identity = identify(AdminClient(client_config(settings)), settings)
    for partition in (0, 1):
        tree = Tree(record_leaves(settings, partition))
        assert leaves(settings, partition) == record_leaves(settings, partition)
        history = [one for one in checkpoints(settings) if one.origin.endswith(f"/{partition}")]
        origin = Origin(settings.name, identity.cluster, identity.events, partition)
        assert history[0].origin == str(origin)
        assert history[-1].size == len(tree)
        for earlier, later in pairwise(history):
            proof = tree.consistency(earlier.size, later.size)
            check_consistency(earlier.size, later.size, proof, earlier.root, later.root)
    assert [value for _, value in topic_records(settings)] == notes(settings)
    newest = {parse_origin(open_checkpoint(note, [signer.verifier]).origin): note for note in notes(settings)}
    assert all(note in taken.read_text() for note in newest.values())
    for key, value in topic_records(settings):
        assert open_checkpoint(value, [signer.verifier]).origin.encode() == key


def test_the_topic_of_checkpoints_keeps_them_for_ever(settings: Settings) -> None:
    notarise(settings)
    resource = ConfigResource(ResourceType.TOPIC, checkpoints_topic(settings))
    admin = AdminClient(client_config(settings))
    config = admin.describe_configs([resource])[resource].result(20)
    assert {name: config[name].value for name in ("cleanup.policy", "retention.ms", "retention.bytes")} == {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
    }


def test_a_stop_signs_what_came_since_the_last_checkpoint(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(partitions=2, notary_interval=3600)
    signer_of(settings)
    process = notary_process(settings)
    try:
        eventually(ready_file(settings).exists)
        add_titles(settings, range(20))
        eventually(lambda: len(leaves(settings, 0)) + len(leaves(settings, 1)) == 20)
        assert notes(settings) == []
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert sum(signed_sizes(settings).values()) == 20


def test_a_notary_that_is_killed_again_and_again_goes_on(settings: Settings) -> None:
    signer_of(settings)
    for start in range(0, 60, 30):
        process = notary_process(settings)
        try:
            add_titles(settings, range(start, start + 30))
            stored = [folder_of(settings) / f"leaves-{partition}" for partition in (0, 1)]
            # Some leaves are there, a note perhaps
            eventually(lambda start=start, stored=stored: all_bytes(stored) > start * 32)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    assert notarise(settings).refused == []
    assert sum(signed_sizes(settings).values()) == 60
    assert [len(leaves(settings, p)) for p in (0, 1)] == [len(record_leaves(settings, p)) for p in (0, 1)]
    assert [leaves(settings, p) for p in (0, 1)] == [record_leaves(settings, p) for p in (0, 1)]


def all_bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


def test_killed_between_leaf_and_note_it_signs_at_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_titles(settings, range(20))
    monkeypatch.setattr("notary.follower.Follower.sign", lambda _: None)
    assert sum(notarise(settings).events.values()) == 20
    assert notes(settings) == []
    monkeypatch.undo()
    assert notarise(settings).refused == []
    assert sum(signed_sizes(settings).values()) == 20


def test_killed_between_note_and_topic_it_hands_the_note_on_at_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_titles(settings, range(20))
    monkeypatch.setattr("notary.follower.Follower._hand_on", lambda *_: None)
    notarise(settings)
    monkeypatch.undo()
    assert topic_records(settings) == []
    notarise(settings)
    assert [value for _, value in topic_records(settings)] == notes(settings)


def test_two_keys_make_two_signatures_on_each_note(settings: Settings) -> None:
    add_titles(settings, range(10))
    new = Signer(new_key("test"))
    notarise(settings, new)
    for note in notes(settings):
        for key in (signer_of(settings), new):
            assert open_checkpoint(note, [key.verifier]).size > 0
    add_titles(settings, range(10, 20))
    file = Path(settings.data_dir) / "notary.key"
    file.unlink()
    # Only a third key is left: the notes of the former ones still count
    assert notarise(settings).refused == []
    third = [open_checkpoint(note, [signer_of(settings).verifier]) for note in notes(settings)[-2:]]
    assert sum(one.size for one in third) == 20


def test_the_command_reads_up_to_the_end_and_ends_with_65_where_it_refuses(settings: Settings) -> None:
    add_titles(settings, range(10))
    signer_of(settings)
    assert notary_process(settings, "--once").wait(120) == 0
    # A group without members between two runs would look like a notary that has stopped
    groups = AdminClient(client_config(settings)).list_consumer_groups(request_timeout=20).result().valid
    assert notary_group(settings) not in [group.group_id for group in groups]
    produce_outside(settings, 100)
    assert notary_process(settings, "--once").wait(120) == 65
    assert sum(signed_sizes(settings).values()) == 10


def test_the_command_ends_although_events_are_written_all_the_time(settings: Settings) -> None:
    signer_of(settings)
    with steady_writes(settings):
        assert notary_process(settings, "--once").wait(60) == 0
    assert sum(signed_sizes(settings).values()) > 0


def test_a_running_notary_that_refuses_says_so(settings: Settings) -> None:
    add_titles(settings, range(10))
    signer_of(settings)
    process = notary_process(settings)
    try:
        eventually(ready_file(settings).exists)
        produce_outside(settings, 100)
        eventually(lambda: ready_file(settings).read_text().startswith("refused "))
    finally:
        process.terminate()
        assert process.wait(60) == 65
    log = (Path(settings.data_dir) / "notary.log").read_text()
    assert "is not signed any more (no_transaction)" in log


def test_without_a_kafka_it_ends_after_the_deadline(tmp_path: Path) -> None:
    settings = Settings(kafka="127.0.0.1:1", data_dir=str(tmp_path), deadline=0.5)
    signer_of(settings)
    assert notary_process(settings, "--once").wait(120) == 69
