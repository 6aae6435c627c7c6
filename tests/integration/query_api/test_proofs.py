"""Proofs from a real store, in which offsets have gaps."""

import json
from base64 import b64decode

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from evidence.merkle import check_consistency
from foundation.kafka_clients import client_config
from library.commands.prove import prove
from library.store.offsets import settled_end
from library.store.ordered_records import records
from query_api.following.evidence import Evidence
from query_api.following.source import Source
from schemas.checkpoints import checkpoints_topic, ensure_checkpoints_topic
from schemas.events import BookAdded, CopiesAdded
from schemas.topics import identify
from tests.support.evidence.signed_records import KEY, signed_notes
from tests.support.library.command_runner import run_command
from tests.support.query_api.loan_traffic import AT, NUMBERS, running_api, store_writer

ISBN = NUMBERS[3]


@pytest.fixture
def signed(new_settings):
    """A store with aborted events and checkpoints, and a query API: both, and all events."""
    settings = new_settings(partitions=2)
    writer = store_writer(settings)
    for isbn in NUMBERS[:6]:
        writer.abort(BookAdded(isbn, "Never", "", 1, AT))
        writer.commit(BookAdded(isbn, "T", "A", 1, AT))
    for isbn in NUMBERS[:6]:
        writer.commit(CopiesAdded(isbn, 1, AT + 1))
    admin = AdminClient(client_config(settings))
    stored, store = (
        list(records(settings, settled_end(settings, events_topic(settings), 20))),
        identify(admin, settings),
    )
    ensure_checkpoints_topic(admin, settings)
    producer = Producer(client_config(settings))
    # The topic may hold what no notary wrote
    for note in ["no checkpoint", *signed_notes(stored, 2, 4, cluster=store.cluster, topic=store.events)]:
        producer.produce(checkpoints_topic(settings), note.encode())
    producer.flush(20)
    with running_api(settings) as api:
        yield replace(settings, api=api.url), api, stored


def test_a_printed_proof_is_checked_without_a_service(signed, tmp_path):
    settings, _, stored = signed
    done = run_command(prove, settings, ISBN)
    assert done.exit_code == 0, done.stderr
    assert f"2 of 2 events of {ISBN} are in a checkpoint" in done.stderr
    (tmp_path / "proof").write_text(done.stdout, "utf-8")
    offline = replace(settings, api="http://127.0.0.1:9", kafka="127.0.0.1:9")
    options = ("--check", str(tmp_path / "proof"), "--key", str(KEY.verifier), "--json")
    checked = run_command(prove, offline, *options)
    assert checked.exit_code == 0, checked.stderr
    rows = [json.loads(line) for line in checked.stdout.splitlines()]
    assert [row["type"] for row in rows] == ["BookAdded", "CopiesAdded"]
    home = [record for record in stored if record.partition == partition_of(ISBN, 2)]
    assert [home[row["index"]].key for row in rows] == [f"{ISBN}/1".encode(), f"{ISBN}/2".encode()]


def test_later_checkpoints_continue_earlier_ones(signed):
    _, api, stored = signed
    place = partition_of(ISBN, 2)
    notes = signed_notes(stored, 2, 4)
    roots = {int(n.splitlines()[1]): b64decode(n.splitlines()[2]) for n in notes if f"/{place}\n" in n}
    newest = api.client.get(f"/checkpoints/{place}").json()
    assert newest["size"] == max(roots)
    path = api.client.get(f"/checkpoints/{place}/consistency?from=4").json()["path"]
    check_consistency(4, newest["size"], list(map(b64decode, path)), roots[4], b64decode(newest["root"]))


def test_a_store_without_a_notary_has_no_checkpoints(settings):
    assert Evidence(settings, Source(settings)).checkpoints() == {}
