"""Checks the configuration of both topics: values with which the system works badly, or not for long."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from eventstore.topics import events_topic
from library.checks.finding import Finding, Grade
from schemas.topics import topic_configs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.topics import Table
    from foundation.settings import Settings

CHECK = "topic settings"
BATCH_MAX_BYTES = 1_004_096
"""A batch of records of the writers, or of the projector."""
DAY_MS = 24 * 3600 * 1000
TIMEOUT_S = 10.0


def topic_settings(
    admin: AdminClient, settings: "Settings", tables: "Sequence[Table] | None" = None
) -> Iterator[Finding]:
    """A finding for each setting of a topic that somebody should change back. Raises KafkaException."""
    names = list(topic_configs(settings) if tables is None else topic_configs(settings, tables))
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    configs = admin.describe_configs(resources, request_timeout=TIMEOUT_S)
    described = admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT_S)
    faults: list[Finding] = []
    for name, resource in zip(names, resources, strict=True):
        entries: Any = configs[resource].result()
        replicas = min(len(partition.replicas) for partition in described[name].result().partitions)
        values = {key: entry.value for key, entry in entries.items()}
        faults += _faults(name, values, replicas, name == events_topic(settings))
    yield from faults or [Finding(CHECK, Grade.FINE, "as they should be")]


def _faults(topic: str, values: dict[str, str], replicas: int, holds_events: bool) -> Iterator[Finding]:
    def fault(grade: Grade, name: str, effect: str, right: str) -> Finding:
        return Finding(
            CHECK,
            grade,
            f"topic {topic} has {name}={values[name]}: {effect}",
            f"library kafka configs --alter --entity-type topics --entity-name {topic} "
            f"--add-config {name}={right}",
        )

    if int(values["max.message.bytes"]) < BATCH_MAX_BYTES:
        effect = "Kafka refuses the larger batches" + (
            "" if holds_events else " of the projector, which ends"
        )
        yield fault(Grade.BROKEN, "max.message.bytes", effect, "1048588")
    if replicas > 2 and int(values["min.insync.replicas"]) < 2:
        effect = "an acknowledged record may be on one broker only, and is lost with it"
        yield fault(Grade.WARNING, "min.insync.replicas", effect, "2")
    elif int(values["min.insync.replicas"]) >= replicas > 1:
        effect = f"with {replicas} replicas nothing can be written while one broker is away"
        yield fault(Grade.WARNING, "min.insync.replicas", effect, str(replicas - 1))
    if holds_events:
        if values["message.timestamp.type"] != "CreateTime":
            effect = "Kafka's clock replaces the events' times, and writers read the log again and again"
            yield fault(Grade.BROKEN, "message.timestamp.type", effect, "CreateTime")
        return
    if values["cleanup.policy"] != "compact":
        effect = "rows of titles that nobody changes are lost, and the projector then refuses to start"
        yield fault(Grade.BROKEN, "cleanup.policy", effect, "compact")
    if int(values["min.compaction.lag.ms"]) > DAY_MS:
        effect = "old rows are kept that long, and every start reads them"
        yield fault(Grade.WARNING, "min.compaction.lag.ms", effect, "0")
