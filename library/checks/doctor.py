"""The checks of `library doctor`: each returns its finding and the command that fixes it."""

import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstore.append.catch_up import PATIENCE_S
from eventstore.topics import WrongTopic, check_protection, events_topic
from foundation.http.client import NoAnswer
from foundation.http.readiness import read_readiness
from foundation.kafka_clients import KafkaUnavailable, client_config, why
from library.broker import jars
from library.broker.java import NoJava, find_java, java_version
from library.checks.borrowers import borrowers
from library.checks.event_keys import event_keys
from library.checks.finding import Finding, Grade
from library.checks.topic_settings import topic_settings
from library.checks.transactions import POLL_INTERVAL_S, transactions
from library.process import ports
from library.store.groups import members
from library.store.offsets import committed, group_lag
from library.system.control import NotAnswering, NotRunning, connected
from library.system.readiness import API, AUDIT, GATEWAY, held_count, trouble_of
from library.system.requirements import FULL_DISK_BYTES
from library.system.run_file import read_run
from query_api.http.audit import STALLED_AFTER_S
from schemas.tables import Tables, current_table, read_tables, tables_of
from schemas.times import BadTime, parse_time
from schemas.topics import check_topics

if TYPE_CHECKING:
    from foundation.settings import Settings

LOW_DISK_BYTES = 2_000_000_000
"""Free space below which the disk is a warning."""
RESTART_WINDOW_S = 3600.0
"""A process that was restarted within this time is a warning."""
REQUEST_TIMEOUT_S = 2.0
PROGRESS_S = 12.0
"""A working projector makes progress within this time."""


def examine(settings: "Settings", patience_s: float | None = None) -> Iterator[Finding]:
    """Run all checks, ordered so that the first broken one explains later ones.

    ``patience_s`` replaces the time that a check waits before it calls a transaction or a lag broken.
    """
    yield java(settings)
    yield kafka_jars()
    yield disk(settings)
    yield from system(settings)
    admin = AdminClient(client_config(settings))
    reached = broker(admin, settings)
    yield reached
    if reached.grade is not Grade.BROKEN:
        topology = topics(admin, settings)
        yield topology
        usable = topology.grade is not Grade.BROKEN
        try:
            if usable:
                yield from topic_settings(admin, settings, tables_of(read_tables(admin, settings)))
                yield from borrowers(admin, settings)
                yield from transactions(settings, PATIENCE_S if patience_s is None else patience_s)
            if usable or events_topic(settings) in admin.list_topics(timeout=3).topics:
                yield from event_keys(settings)
            if usable:
                yield projection(admin, settings, PROGRESS_S if patience_s is None else patience_s)
        except (KafkaException, KafkaUnavailable) as error:
            yield Finding("broker", Grade.BROKEN, why(settings, error), "library logs kafka")
    yield server("query API", settings.api, API)
    for url in settings.gateway_urls or [""]:
        yield server("gateway", url, GATEWAY)
    if settings.audit:
        yield audit(settings.audit)
    yield from held(settings)


def java(settings: "Settings") -> Finding:
    """Whether the embedded broker has a Java."""
    try:
        path = find_java(settings.java, os.environ)
    except NoJava as error:
        return Finding("java", Grade.WARNING, str(error), "pip install 'library-inventory[embedded]'")
    return Finding("java", Grade.FINE, f"Java {java_version(path)} at {path}")


def kafka_jars() -> Finding:
    """Whether Kafka's jars are downloaded."""
    root = jars.cache(os.environ)
    missing = jars.missing(root)
    if missing:
        size = sum(jar.size for jar in missing) // 1_000_000
        files = f"{len(missing)} ({size} MB)"
        if find_spec("jgo") is None:
            text = f"{files} are missing, and so is the package that downloads them"
            return Finding("jars", Grade.WARNING, text, "pip install 'library-inventory[embedded]'")
        return Finding("jars", Grade.FINE, f"{files} will be downloaded by the next `library up`")
    return Finding("jars", Grade.FINE, f"Kafka {jars.kafka_version()} in {root}")


def disk(settings: "Settings") -> Finding:
    """Whether the disk has room."""
    import psutil

    folder = Path(settings.data_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    free = psutil.disk_usage(str(folder)).free
    text = f"{free / 1e9:.1f} GB free at {folder}"
    if free >= LOW_DISK_BYTES:
        return Finding("disk", Grade.FINE, text)
    fix = "free some space, or `library down`, move the directory, `library up --data-dir DIR`"
    return Finding("disk", Grade.BROKEN if free < FULL_DISK_BYTES else Grade.WARNING, text, fix)


def system(settings: "Settings") -> Iterator[Finding]:
    """The supervised processes; if none run, whether their ports are free."""
    data_dir = Path(settings.data_dir)
    try:
        with connected(data_dir, 10) as control:
            processes = control.request("status")["processes"]
    except NotAnswering as error:
        yield Finding("system", Grade.BROKEN, str(error))
        return
    except NotRunning:
        if run := read_run(data_dir):
            text = f"{data_dir} has the traces of a killed system (process {run.supervisor.pid})"
            yield Finding("system", Grade.WARNING, text, "library up")
        else:
            yield Finding("system", Grade.FINE, f"no system runs in {data_dir.absolute()}")
            yield from free_ports(settings)
        return
    for process in processes:
        name, state = process["name"], process["state"]
        if state in ("failed", "failing"):
            text = f"{state}: {process['last_error']}"
            yield Finding(name, Grade.BROKEN, text, f"library logs {name}, then library restart {name}")
        elif process["restarts"]:
            # A supervisor of an older release does not have the time
            at = process.get("restarted_at") or "an unknown time"
            count, reason = process["restarts"], process["last_error"]
            text = f"{state}; restarts: {count}, the last at {at}, because: {reason}"
            if state == "running" and _is_past(at):
                yield Finding(name, Grade.FINE, text)
            else:
                yield Finding(name, Grade.WARNING, text, f"library logs {name}")
        else:
            yield Finding(name, Grade.FINE if state == "running" else Grade.WARNING, state)


def _is_past(restarted_at: str) -> bool:
    """Whether a restart is so long ago that the process can be called healthy."""
    try:
        return time.time() - parse_time(restarted_at) / 1000 > RESTART_WINDOW_S
    except BadTime:
        return False


def free_ports(settings: "Settings") -> Iterator[Finding]:
    """Whether the ports of the settings are free, or used by a system in containers."""
    first_gateway = next(iter(settings.gateway_urls), "")
    wanted = [
        ("Kafka", settings.kafka_port, "--kafka-port", settings.kafka, ""),
        ("the query API", settings.port, "--port", settings.api, API),
        ("the gateway", settings.effective_gateway_port, "--gateway-port", first_gateway, GATEWAY),
    ]
    for name, port, flag, address, service in wanted:
        if ports.is_free(port):
            yield Finding("ports", Grade.FINE, f"{port} is free for {name}")
        elif address.endswith(f":{port}") and _answers(settings, address, service):
            yield Finding("ports", Grade.FINE, f"{port} is used by {name}, which answers there")
        else:
            text = f"{port}, for {name}, is in use by {ports.holder(port)}"
            yield Finding("ports", Grade.WARNING, text, f"library up {flag} {ports.free_port()}")


def _answers(settings: "Settings", address: str, service: str) -> bool:
    if address == settings.kafka:
        return broker(AdminClient(client_config(settings)), settings).grade is Grade.FINE
    return not trouble_of(address, service)


def broker(admin: AdminClient, settings: "Settings") -> Finding:
    """Whether Kafka answers."""
    try:
        metadata = admin.list_topics(timeout=3)
    except KafkaException as error:
        fix = "library up, or --kafka HOST:PORT"
        if settings.kafka_security != "PLAINTEXT":
            fix = "check the settings kafka and kafka_*: library config show"
        return Finding("broker", Grade.BROKEN, f"{settings.kafka}: {why(settings, error)}", fix)
    count = len(metadata.brokers)
    text = f"{count} at {settings.kafka}, cluster {metadata.cluster_id}"
    return Finding("broker", Grade.FINE, text)


def topics(admin: AdminClient, settings: "Settings") -> Finding:
    """Whether both topics match the settings."""
    try:
        tables = read_tables(admin, settings)
        check_topics(admin, settings, tables=tables_of(tables))
        check_protection(admin, settings)
    except WrongTopic as error:
        return Finding("topics", Grade.BROKEN, error.found, error.fix)
    except (KafkaException, KafkaUnavailable) as error:
        return Finding("topics", Grade.BROKEN, why(settings, error), "library logs kafka")
    text = f"{settings.name}: {settings.partitions} partitions, compacted{_second(tables)}"
    return Finding("topics", Grade.FINE, text)


def _second(tables: Tables) -> str:
    """Which table counts, if there was ever more than one."""
    if tables.newest == 1:
        return ""
    beside = f", table {tables.other} is written beside it (`library rebuild status`)" if tables.other else ""
    return f"; answers come from table {tables.current}{beside}"


def projection(admin: AdminClient, settings: "Settings", patience_s: float) -> Finding:
    """Whether a projector runs, how far the table lags, and whether the lag shrinks."""
    group, topic = current_table(admin, settings).group_id(settings), events_topic(settings)
    workers, position = members(settings, group), committed(settings, topic, group)
    lag = sum(group_lag(settings, topic, group).values())
    if not workers:
        text = f"no projector runs; the table is {lag:,} records behind"
        return Finding("table", Grade.WARNING, text, "library up, or python -m projector --index 0")
    give_up = time.monotonic() + patience_s
    while lag and committed(settings, topic, group) == position:
        if time.monotonic() > give_up:
            text = f"{len(workers)} running, {lag:,} records behind, no progress for {patience_s:.0f} s"
            return Finding("table", Grade.BROKEN, text, "library logs projector")
        time.sleep(POLL_INTERVAL_S)
    return Finding("table", Grade.FINE, f"{len(workers)} running, {lag:,} records behind")


def server(name: str, url: str, service: str) -> Finding:
    """Whether a server is ready and reports no trouble."""
    if not (trouble := trouble_of(url, service)):
        return Finding(name, Grade.FINE, f"ready at {url}")
    fix = f"library up; if it is running, library logs {service}"
    return Finding(name, Grade.WARNING, f"not ready at {url}: {trouble}", fix)


def audit(url: str) -> Finding:
    """Whether the audit compares the rows, and what it has found."""
    try:
        trouble = trouble_of(url, AUDIT)
        report = {} if trouble else read_readiness(url, REQUEST_TIMEOUT_S)[1]
    except NoAnswer as error:
        trouble, report = str(error), {}
    if trouble:
        return Finding("audit", Grade.WARNING, f"not ready at {url}: {trouble}", f"library logs {AUDIT}")
    compared, differing = report["rows_compared"], report["differences"]
    if differing:
        text = f"{differing:,} rows are not as their events make them: `library audit --once` shows them"
        return Finding("audit", Grade.BROKEN, text, "library replay --to-beginning")
    stalls = [each for each in report["stalls"] if each["seconds"] > STALLED_AFTER_S]
    if stalls:
        longest = max(stalls, key=lambda each: each["seconds"])
        text = (
            f"{longest['group']} has not moved in partition {longest['partition']} for "
            f"{longest['seconds']:,.0f} s although events wait there"
        )
        return Finding("audit", Grade.BROKEN, text, "library groups")
    return Finding("audit", Grade.FINE, f"{compared:,} rows compared with their events, at {url}")


def held(settings: "Settings") -> Iterator[Finding]:
    """Whether titles are held; no finding if the query API does not answer."""
    match held_count(settings.api):
        case None:
            return
        case 0:
            yield Finding("held titles", Grade.FINE, "none")
        case count:
            text = f"{count}: each has an event that can't be applied; other titles are not affected"
            yield Finding("held titles", Grade.WARNING, text, "library held list")
