"""What `library doctor` finds in the event store: keys that are wrong, and transactions that stay open."""

import re
import subprocess
import sys

import pytest
from confluent_kafka import KafkaException, Producer
from msgspec.structs import replace

from eventstore.topics import events_topic
from foundation.cli import exits
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.checks.event_keys import MAX_FINDINGS, event_keys
from library.checks.finding import Finding, Grade
from library.checks.transactions import transactions
from library.commands.doctor import doctor
from library.process.ports import free_port
from library.store.offsets import settled_end
from schemas.codec import encode
from schemas.events import BookAdded
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import BEGAN, added_and_removed, numbered_isbn, write_events

TITLE = numbered_isbn(1)


@pytest.fixture
def store(new_settings) -> Settings:
    """One partition: two versions of a title at offsets 0 and 1, the end of their transaction at 2."""
    settings = new_settings(partitions=1)
    write_events(
        settings, [(1, BookAdded(TITLE, "Title", "", 1, BEGAN)), (2, BookAdded(TITLE, "T", "", 1, BEGAN))]
    )
    settled_end(settings, events_topic(settings), 20)
    return settings


def put(settings: Settings, *keys: str) -> None:
    """Write records as a program does that knows nothing of the event store."""
    producer = Producer(client_config(settings))
    for key in keys:
        producer.produce(events_topic(settings), b"anything", key.encode(), 0)
    assert producer.flush(20) == 0


def found(settings: Settings) -> list[Finding]:
    settled_end(settings, events_topic(settings), 20)
    return list(event_keys(settings))


def test_a_store_whose_keys_all_occur_once_is_fine(store):
    assert found(store) == [Finding("event keys", Grade.FINE, "2 events, each key once")]


def test_of_a_key_that_occurs_twice_the_first_is_named_as_the_event(store):
    put(store, f"{TITLE}/2", f"{TITLE}/2")
    [fault] = found(store)
    assert fault.grade is Grade.BROKEN
    assert f"{TITLE}/2 occurs 3 times in partition 0" in fault.found
    assert "the first one, at offset 1, is the event" in fault.found
    assert "again at offset 3, 4" in fault.found
    assert fault.fix.startswith("library topics acl")


@pytest.mark.parametrize("key", [f"{TITLE}/007", "!probe", f"{TITLE}/0", "978/1"])
def test_a_key_that_names_no_version_is_shown_with_its_offset(store, key):
    put(store, key)
    [fault] = found(store)
    assert f"the key {key.encode()!r} at offset 3 of partition 0 names no version of a title" in fault.found


def test_a_missing_version_is_named(store):
    put(store, f"{TITLE}/5")
    [fault] = found(store)
    assert f"{TITLE}/5 at offset 3 of partition 0 follows version 2" in fault.found
    assert "library restore" in fault.fix


def test_many_wrong_keys_are_counted_instead_of_shown(store):
    put(store, *(f"foreign-{number}" for number in range(MAX_FINDINGS + 5)))
    faults = found(store)
    assert len(faults) == MAX_FINDINGS + 1
    assert faults[-1].found == "5 more keys of partition 0 are wrong"


def test_a_claimed_transactional_id_ends_the_transaction_of_a_living_owner(new_settings):
    settings = new_settings()
    owner = write_events(settings, added_and_removed(1), then="leave")
    [stuck] = transactions(settings, 0)
    assert "library doctor --end-transaction ID" in stuck.fix
    done = run_command(doctor, settings, "--end-transaction", f"{settings.name}-leave")
    assert done.exit_code == exits.DONE, done.stderr
    assert f"claimed {settings.name}-leave" in done.stderr
    [fine] = transactions(settings, 20)
    assert fine.grade is Grade.FINE
    with pytest.raises(KafkaException):
        owner.commit_transaction(20)
    assert found(settings) == [Finding("event keys", Grade.FINE, "0 events, each key once")]


def test_the_advice_finds_the_transactional_id_of_an_open_transaction(new_settings):
    settings = new_settings(partitions=1)
    write_events(settings, added_and_removed(1), then="leave")
    [stuck] = transactions(settings, 0)
    describe, list_ids = re.findall(
        r"`library (kafka transactions (?:describe-producers|list)[^`]*)`", stuck.fix
    )
    producers = [line.split() for line in library(settings, *describe.split()).splitlines()]
    [producer_id] = [row[0] for row in producers if row and row[0].isdigit() and row[-1] == "0"]
    ids = [line.split() for line in library(settings, *list_ids.split()).splitlines()]
    [transactional_id] = [row[0] for row in ids if row and row[-2:] == [producer_id, "Ongoing"]]
    assert transactional_id == f"{settings.name}-leave"
    assert run_command(doctor, settings, "--end-transaction", transactional_id).exit_code == exits.DONE


def library(settings: Settings, *arguments: str) -> str:
    """What the command prints, in a process of its own."""
    command = [sys.executable, "-m", "library", arguments[0], "--kafka", settings.kafka, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_transactional_id_can_not_be_claimed_without_kafka(new_settings):
    nowhere = replace(new_settings(), kafka=f"127.0.0.1:{free_port()}", deadline=1.0)
    done = run_command(doctor, nowhere, "--end-transaction", "anything")
    assert done.exit_code == exits.UNAVAILABLE
    assert "can't be used" in done.stderr
    assert run_command(doctor, nowhere, "--end-transaction", "").exit_code == exits.MALFORMED


@pytest.mark.parametrize(
    ("value", "reason", "advice"),
    [
        (None, "no value", "library topics acl"),
        (b"anything", "first byte 97, not 0", "library topics acl"),
        (b"\0\0\0\xff\xffabc", "schema id 65535 is unknown here", "upgrade"),
        (encode(BookAdded(numbered_isbn(2), "Another", "", 1, BEGAN)), "the key names", "library topics acl"),
    ],
)
def test_a_value_that_is_no_event_of_its_title_is_named(store, value, reason, advice):
    """The writer refuses the title, and sends the reader here."""
    producer = Producer(client_config(store))
    producer.produce(events_topic(store), value, f"{TITLE}/3".encode(), 0)
    assert producer.flush(20) == 0
    [fault] = found(store)
    assert fault.grade is Grade.BROKEN
    assert f"the value of {TITLE}/3 at offset 3 of partition 0 is no event" in fault.found
    assert reason in fault.found
    assert fault.fix.startswith(advice)
