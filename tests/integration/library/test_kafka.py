import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from library.broker.class_archive import keep_classes, with_classes
from library.broker.java import find_java
from library.broker.kafka import KafkaFailed, Node, answers, cluster_id, prepare, program
from library.process.ports import PortInUse, free_port
from schemas.topics import changelog_topic, check_topics, ensure_topics
from tests.support.embedded_kafka import Kafka


def test_each_test_gets_its_own_topics(new_settings):
    first, second = new_settings(partitions=2), new_settings(partitions=1)
    assert first.name != second.name
    for settings in (first, second):
        check_topics(AdminClient(client_config(settings)), settings)


def test_acknowledged_records_survive_a_kill_and_a_port_change(tmp_path):
    kafka = Kafka(Node(home=tmp_path / "kafka", port=free_port()), os.environ)
    settings = Settings(kafka=kafka.bootstrap, partitions=1)
    try:
        admin = AdminClient(client_config(settings))
        ensure_topics(admin, settings)
        assert config(admin, events_topic(settings), "flush.messages") == "1", "on disk before the answer"
        assert config(admin, changelog_topic(settings), "flush.messages") == str(2**63 - 1)
        producer = Producer(client_config(settings))
        producer.produce(events_topic(settings), b"value", b"key", partition=0)
        assert producer.flush(10) == 0
        cluster = cluster_id(kafka.node)
        # A client of a broker that is gone would go on to look for it while another test runs
        del admin, producer
    finally:
        kafka.kill()
    (kafka.node.home / "controller.port").unlink()
    again = Kafka(Node(home=tmp_path / "kafka", port=free_port(), durability="os"), os.environ)
    try:
        assert cluster_id(again.node) == cluster
        settings = Settings(kafka=again.bootstrap)
        assert config(AdminClient(client_config(settings)), events_topic(settings), "flush.messages") != "1"
        consumer = Consumer(reading_config(settings) | {"group.id": "test"})
        consumer.assign([TopicPartition(events_topic(settings), 0, 0)])
        assert consumer.consume(1, 10)[0].value() == b"value"
        consumer.close()
    finally:
        again.stop()
    assert again.process.returncode == 143, "stopped cleanly, not killed"


def config(admin: AdminClient, topic: str, name: str) -> str:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result()[name].value


def test_kafka_logs_json_lines(tmp_path):
    config = tmp_path / "server.properties"
    config.write_text("node.id=none\n")
    command = [*program("", os.environ), "kafka.Kafka", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode != 0
    assert lines
    assert {line["service"] for line in lines} == {"kafka"}
    assert "Invalid value none" in lines[-1]["message"]


def test_kafka_names_the_holder_of_its_port_and_the_flag(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"port {port}.*\(process {os.getpid()}\).*--kafka-port"):
            prepare(Node(home=tmp_path, port=port), os.environ)


def test_kafka_refuses_a_data_directory_of_a_newer_version(tmp_path):
    (tmp_path / "format.json").write_text('{"kafka": "4.10.0"}')
    with pytest.raises(KafkaFailed, match=r"formatted by Kafka 4\.10\.0.*Kafka 4\.2\.2.*library restore"):
        prepare(Node(home=tmp_path, port=free_port()), os.environ)


def test_an_unreadable_format_marker_is_named(tmp_path):
    (tmp_path / "format.json").write_text("{")
    with pytest.raises(KafkaFailed, match=r"format\.json can't be read"):
        prepare(Node(home=tmp_path, port=free_port()), os.environ)


def test_kafka_is_not_ready_while_another_broker_has_its_port(broker, tmp_path):
    node = Node(home=tmp_path, port=int(broker.rpartition(":")[2]))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("cluster.id=another\n")
    assert not answers(node, 5)


def test_kafka_reports_why_it_did_not_start_in_lines_of_json(tmp_path):
    node = Node(home=tmp_path / "kafka", port=free_port())
    prepare(node, os.environ)
    (node.data / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    with pytest.raises(KafkaFailed, match="node"):
        Kafka(node, os.environ)
    lines = (node.home / "kafka.log").read_text("utf-8").splitlines()
    assert {json.loads(line)["service"] for line in lines} == {"kafka"}


def test_java_creates_the_class_archive_once_and_ignores_a_damaged_one(tmp_path):
    java = find_java("", os.environ)
    [made, *_] = keep_classes(java, tmp_path)
    assert made.startswith("-XX:ArchiveClassesAtExit=")
    assert with_classes(java, tmp_path) == []
    archive = Path(made.partition("=")[2])
    archive.write_bytes(b"\0\0\0\0 begun, but the machine went down")
    assert with_classes(java, tmp_path) == []
    archive.write_bytes(b"whole")
    assert with_classes(java, tmp_path)[0] == f"-XX:SharedArchiveFile={archive}"
    assert keep_classes(java, tmp_path) == []
