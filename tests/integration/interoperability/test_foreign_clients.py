"""Programs that are not ours read events, schemas and metrics: each with what its own documentation says."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from library.broker import jars
from library.broker.java import find_java
from schemas.codec import decode
from schemas.events import BookAdded, BookBorrowed, Event
from schemas.topics import ensure_topics
from tests.support.query_api.loan_traffic import AT, A, running_api, store_writer
from tests.unit.producer.test_fast_path import Lane, application, request

HERE = Path(__file__).parent
EVENTS: list[Event] = [
    BookAdded(A, "Elixir in Action", "Saša Jurić", 2, AT),
    BookBorrowed(A, "ann", AT + 1000, AT + 99_000),
]
SUBJECT = "library.inventory.BookAdded"


class Store(NamedTuple):
    """An event store with two events of one title, one more that was aborted, and a query API."""

    settings: Settings
    topic: str
    registry: str


@pytest.fixture(scope="module")
def store(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    data = str(tmp_path_factory.mktemp("foreign"))
    settings = Settings(kafka=broker, name="test-foreign", data_dir=data)
    ensure_topics(AdminClient(client_config(settings)), settings)
    writer = store_writer(settings)
    writer.commit(EVENTS[0])
    writer.abort(EVENTS[1])
    writer.commit(EVENTS[1])
    with running_api(settings) as api:
        yield Store(settings, events_topic(settings), api.url)


@pytest.fixture(scope="module")
def messages(store: Store) -> list[Message]:
    """Our two events, as confluent-kafka gets them."""
    consumer = Consumer(reading_config(store.settings) | {"group.id": "foreign-python"})
    consumer.assign([TopicPartition(store.topic, p, 0) for p in range(store.settings.partitions)])
    found: list[Message] = []
    try:
        while len(found) < len(EVENTS):
            message = consumer.poll(30)
            assert message is not None, "an event is missing"
            if message.error() is None:
                found.append(message)
    finally:
        consumer.close()
    return found


def fields(event: Event) -> dict[str, Any]:
    """An event as its Avro record's fields."""
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_confluents_avro_deserializer_reads_events_with_the_schema_registry(
    store: Store, messages: list[Message]
):
    with SchemaRegistryClient({"url": store.registry}) as client:
        deserialize = AvroDeserializer(client)
        context = SerializationContext(store.topic, MessageField.VALUE)
        records: list[Any] = [deserialize(message.value(), context) for message in messages]
    assert [record["isbn"] for record in records] == [A, A]
    assert records[0]["title"] == "Elixir in Action"
    assert records[1]["user_id"] == "ann"
    assert [set(record) for record in records] == [set(fields(event)) for event in EVENTS]


def test_confluents_registry_client_finds_schemas_and_understands_refusals(store: Store):
    with SchemaRegistryClient({"url": store.registry}) as client:
        assert SUBJECT in client.get_subjects()
        assert client.get_versions(SUBJECT) == [1]
        newest = client.get_latest_version(SUBJECT)
        same = Schema(newest.schema.schema_str, "AVRO")
        assert client.lookup_schema(SUBJECT, same).schema_id == newest.schema_id
        assert client.register_schema(SUBJECT, same) == newest.schema_id
        assert client.get_compatibility() == client.get_compatibility(SUBJECT) == "FULL"
        assert client.get_mode(SUBJECT) == "READONLY"
        assert client.test_compatibility(SUBJECT, same)
        assert client.test_compatibility_all_versions(SUBJECT, same)
        other = Schema('{"type": "string"}', "AVRO")
        assert not client.test_compatibility(SUBJECT, other)
        attempts = {
            40403: lambda: client.lookup_schema(SUBJECT, other),
            42205: lambda: client.register_schema(SUBJECT, other),
            40402: lambda: client.test_compatibility(SUBJECT, other, version=7),
            405: lambda: client.delete_subject(SUBJECT),
        }
        for code, attempt in attempts.items():
            with pytest.raises(SchemaRegistryError) as refused:
                attempt()
            assert refused.value.error_code == code
            assert refused.value.error_message


def test_the_cloudevents_sdk_reads_the_headers(messages: list[Message]):
    for message, event in zip(messages, EVENTS, strict=True):
        headers: Any = dict(message.headers() or ())
        read = from_binary_event(KafkaMessage(headers, message.key(), message.value() or b""))
        assert read.get_type() == f"library.inventory.{type(event).__name__}"
        assert read.get_source() == "/library/inventory"
        assert read.get_id()
        assert read.get_datacontenttype() == "application/avro"
        time = read.get_time()
        assert time is not None
        assert int(time.timestamp() * 1000) == event.timestamp
        data: Any = read.get_data()
        assert decode(data if isinstance(data, bytes) else data.encode()) == event


def run(command: list[str], seconds: int = 60, **more: Any) -> str:
    """The standard output of a program that must succeed."""
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, **more)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout.decode()


@pytest.fixture(scope="module")
def node_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with kafkajs and its registry client."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path_factory.mktemp("kafkajs")
    shutil.copytree(HERE / "kafkajs", folder, dirs_exist_ok=True)
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(npm, cwd=folder, capture_output=True, timeout=100, check=False)
    if done.returncode:
        pytest.skip(f"npm can't install kafkajs: {done.stderr.decode(errors='replace')[-200:]}")
    return folder


def test_kafkajs_reads_events_with_the_schema_registry(store: Store, node_packages: Path):
    consumer = ["node", "consumer.mjs", store.settings.kafka, store.topic, "foreign-kafkajs"]
    lines = run([*consumer, store.registry, "2"], cwd=node_packages).splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["key"] for record in records] == [f"{A}/1", f"{A}/2"]
    assert records[0]["headers"]["ce_type"] == SUBJECT
    assert records[0]["value"] == fields(EVENTS[0])
    assert records[1]["value"]["user_id"] == "ann"


def test_a_java_consumer_reads_events(store: Store):
    java = find_java("", os.environ)
    if "jdk.compiler" not in run([java, "--list-modules"]):
        pytest.skip("the Java that is installed has no compiler")
    classpath = os.pathsep.join(map(str, jars.ready(os.environ)))
    program = [java, "-cp", classpath, str(HERE / "Consumer.java")]
    lines = run([*program, store.settings.kafka, store.topic, "foreign-java", "2"], 100).splitlines()
    records = [line.split("\t") for line in lines]
    assert [record[:2] for record in records] == [
        [f"{A}/{version}", f"library.inventory.{type(event).__name__}"]
        for version, event in enumerate(EVENTS, 1)
    ]
    assert [decode(bytes.fromhex(value)) for _, _, value in records] == EVENTS


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' promtool is not installed")
def test_promtool_finds_nothing_wrong_with_the_metrics(store: Store):
    gateway = asyncio.run(request(application(Lane())[1], "GET", "/metrics")).content
    for metrics in (httpx.get(f"{store.registry}/metrics", timeout=30).content, gateway):
        run(["promtool", "check", "metrics"], input=metrics)
