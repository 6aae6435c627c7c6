"""Contestants of the rebuild: their commands, consumer groups and changelogs."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import Struct

from benchmarks.harness.processes import Processes, python
from benchmarks.harness.waiting import until
from eventstore.groups import COORDINATOR_MOVING
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.broker.java import find_java
from schemas.topics import changelog_topic, ensure_topics, projector_group, topic_configs

JAR = Path(__file__).parent.parent / "kafka_streams" / "target" / "peer.jar"
STOCK_EVENTS = 100_000
HEAP = "-Xmx512m"
"""A larger heap did not make the peer faster. The JVM's default is a quarter of the memory."""
EXACTLY_ONCE = ("--exactly-once", "true")
"""Transactions around positions, changelog and the peer's state store."""
VARIANTS = [
    ("kafka-streams-linger-0", "--linger-ms", "0"),
    ("kafka-streams-cached-linger-0", "--cached", "true", "--linger-ms", "0"),
    ("kafka-streams-2-threads", "--threads", "2"),
    ("kafka-streams-cached-2-threads", "--cached", "true", "--threads", "2"),
    # The default of its commit interval, where it is exactly-once
    ("kafka-streams-exactly-once-100-ms", *EXACTLY_ONCE, "--commit-interval-ms", "100"),
]


class Entry(Struct, frozen=True):
    """One run of a contestant: its processes, consumer group and changelog."""

    commands: list[list[str]]
    environment: dict[str, str]
    group: str
    changelog: str


class Contestant(Struct, frozen=True):
    """A program that rebuilds the table. ``enter(settings, folder)`` prepares a run without any state."""

    name: str
    enter: Callable[[Settings, Path], Entry]
    began: Callable[[Processes], float | None]
    """Returns when (``time.time()``) the first event arrived, from the output of the processes."""
    positions: bool = False
    """Writes TablePositions to its changelog."""
    commits: bool = True
    """Whether its group's lag reaches 0 on a store with transactions. Stock Faust's does not: it has finished
    when its changelog has a row for each event."""


def contestants(variants: bool = False) -> list[Contestant]:
    """Return all contestants in their order. ``variants`` adds Kafka Streams with other settings."""
    standard = [
        Contestant("ours-1-worker", lambda s, folder: ours(s, folder, 1), ready, positions=True),
        _streams("kafka-streams"),
        Contestant("ours-2-workers", lambda s, folder: ours(s, folder, 2), ready, positions=True),
        _streams("kafka-streams-cached", "--cached", "true"),
        _streams("kafka-streams-exactly-once", *EXACTLY_ONCE),
        _streams("kafka-streams-cached-exactly-once", "--cached", "true", *EXACTLY_ONCE),
        Contestant("faust-stock", faust_stock, first_event, commits=False),
    ]
    return standard + [_streams(*options) for options in VARIANTS if variants]


def _streams(name: str, *options: str) -> Contestant:
    return Contestant(name, lambda s, folder: kafka_streams(s, folder, *options), first_event)


def ready(processes: Processes) -> float | None:
    """Return when the first worker reported ready, just before its first event."""
    lines = [line["time"] for line in processes.printed("message") if line["message"] == "ready"]
    return datetime.fromisoformat(min(lines)).timestamp() if lines else None


def first_event(processes: Processes) -> float | None:
    """Return when a peer got its first event. It prints that when it has finished at the latest."""
    lines = processes.printed("first_event_ms")
    return lines[0]["first_event_ms"] / 1000 if lines else None


def ours(settings: Settings, folder: Path, workers: int) -> Entry:
    """Our projector, after its changelog and its group's offsets were deleted."""
    admin = AdminClient(client_config(settings))
    _forget(admin, projector_group(settings), changelog_topic(settings))
    ensure_topics(admin, settings)
    options = ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", str(folder)]
    return Entry(
        [python("projector", *options, "--index", str(index)) for index in range(workers)],
        {},
        projector_group(settings),
        changelog_topic(settings),
    )


def kafka_streams(settings: Settings, folder: Path, *options: str) -> Entry:
    """The Java peer under a new application id."""
    application = _new_application(settings)
    command = [find_java(settings.java, os.environ), HEAP, "-jar", str(JAR)]
    command += ["--kafka", settings.kafka, "--events", events_topic(settings)]
    command += ["--application", application, "--state-dir", str(folder / "state"), *options]
    return Entry([command], {}, application, f"{application}-inventory-changelog")


def faust_stock(settings: Settings, folder: Path) -> Entry:
    """Stock Faust under a new application id."""
    application = _new_application(settings)
    environment = {
        "BENCHMARK_KAFKA": settings.kafka,
        "BENCHMARK_TOPIC": events_topic(settings),
        "BENCHMARK_GROUP": application,
        "BENCHMARK_DATA": str(folder / "data"),
    }
    command = python("benchmarks.faust_stock", "-L", "uvloop", "worker", "-l", "info", "--without-web")
    return Entry([command], environment, application, f"{application}-inventory-changelog")


def _new_application(settings: Settings) -> str:
    """Create an application id and its changelog, configured as ours: not flushed for each record."""
    application = f"{settings.name}-peer-{uuid4().hex[:8]}"
    config = topic_configs(settings)[changelog_topic(settings)]
    topic = NewTopic(f"{application}-inventory-changelog", settings.partitions, 1, config=config)
    admin = AdminClient(client_config(settings))
    admin.create_topics([topic])[topic.topic].result()
    return application


def _forget(admin: AdminClient, group: str, topic: str) -> None:
    # A broker that has just started may not know its coordinators yet
    until(
        lambda: _deleted(lambda: admin.delete_consumer_groups([group])[group], KafkaError.GROUP_ID_NOT_FOUND),
        30,
        f"group {group} to be deleted",
    )
    until(
        lambda: _deleted(lambda: admin.delete_topics([topic])[topic], KafkaError.UNKNOWN_TOPIC_OR_PART),
        30,
        f"topic {topic} to be deleted",
    )
    until(lambda: topic not in admin.list_topics(timeout=10).topics, 30, f"topic {topic} to be deleted")


def _deleted(delete: Callable[[], Future[None]], gone: int) -> bool:
    """Whether it is gone; False if this has to be tried again."""
    try:
        delete().result()
    except KafkaException as error:
        if error.args[0].code() in COORDINATOR_MOVING:
            return False
        if error.args[0].code() != gone:
            raise
    return True
