"""The end of a transaction waits for a partition that has no leader.

Kafka 4.3.1 takes such a partition for a deleted one and calls the transaction complete (KAFKA-20734): what it
has acknowledged stays hidden for ever. Here that happens every time, because the only replica is killed
between the last delivery and the commit.
"""

from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from eventstore.append.deadline import Deadline
from eventstore.append.fence import Fence, Record
from eventstore.topics import events_topic, fence_id
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.offsets import end, high_watermarks
from schemas.topics import ensure_topics, topic_configs
from tests.support.producer.writer_calls import committed_records
from tests.support.waiting import eventually
from tests.three_brokers.cluster import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COMMIT_LIMIT_S = 40.0
"""The coordinator answers when it no longer waits for the killed broker's copy of the transaction log."""


def test_a_transaction_that_was_acknowledged_ends_when_its_partition_has_a_leader_again(
    cluster: Cluster,
) -> None:
    settings, leader = system_on_one_broker(cluster)
    fence = Fence(settings, 0)
    # The client does not repeat the commit: a second request would only be answered after the end
    fence._config["socket.timeout.ms"] = 10_000
    fence.claim(Deadline(COMMIT_LIMIT_S))
    fence.deliver([Record(b"key", b"value", 1, [])], Deadline(COMMIT_LIMIT_S))
    cluster.kill(leader)
    fence._required().commit_transaction(COMMIT_LIMIT_S)
    eventually(lambda: cluster.leader(events_topic(settings), 0) == -1)
    cluster.heal()
    eventually(lambda: all_is_decided(settings))
    assert [message.value() for message in committed_records(settings)] == [b"value"]


def system_on_one_broker(cluster: Cluster) -> tuple[Settings, int]:
    """One partition, and the only broker that has it: neither its coordinator nor the controller."""
    settings = Settings(kafka=cluster.bootstrap, name=f"test-{uuid4().hex[:12]}", partitions=1)
    topic, fence = events_topic(settings), fence_id(settings, 0)
    # Asking for its coordinator makes the topic of coordinators
    Producer(client_config(settings) | {"transactional.id": fence}).init_transactions(30)
    taken = {eventually(lambda: max(cluster.coordinator(fence), 0)), cluster.controller()}
    leader = next(node for node in (1, 2, 3) if node not in taken)
    admin, config = cluster.admin(), topic_configs(settings)[topic] | {"min.insync.replicas": "1"}
    admin.create_topics([NewTopic(topic, 1, replica_assignment=[[leader]], config=config)])[topic].result(30)
    ensure_topics(admin, settings)
    cluster.wait_until_whole()
    return settings, leader


def all_is_decided(settings: Settings) -> bool:
    topic = events_topic(settings)
    return end(settings, topic) == high_watermarks(settings, topic)
