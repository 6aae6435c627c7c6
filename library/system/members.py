"""The members of a system on this machine: their commands, and the checks that they are ready."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from foundation.cli import exits
from foundation.http.addresses import bracketed, host_name, is_wildcard
from foundation.loaded_settings import misspelt
from foundation.settings import PREFIX, Settings
from library.broker.jars import NoJars
from library.broker.java import NoJava
from library.broker.kafka import KafkaFailed, Node, answers, prepare
from library.broker.properties import java_environment
from library.process.ports import HOST, PortInUse, is_free
from library.process.program import CannotStart, Program
from library.system.readiness import API, AUDIT, GATEWAY, is_alive, is_ready
from library.system.requirements import MAX_PORT, advertised_address, gateway_ports, wanted_ports

PROBE_TIMEOUT_S = 2.0
"""Of one liveness check; a longer one would delay `library down`."""
RECOVERY_LIMIT_S = 3600.0
"""A projector that recovers its table has no heartbeat; a restart continues the recovery."""
HEARTBEAT_LIMIT_S = 12.0
"""The projector and the notary touch their ready files every 5 s."""

_logger = logging.getLogger("library")


def resolved(settings: Settings, folder: Path, embedded: bool) -> Settings:
    """The settings that every member gets: the addresses of all members, and absolute paths.

    Raises UnknownHost.
    """
    host = HOST if is_wildcard(settings.host) else bracketed(host_name(settings.host))
    return msgspec.structs.replace(
        settings,
        data_dir=str((folder / settings.data_dir).absolute()),
        signing_key=str((folder / settings.signing_key).absolute()) if settings.signing_key else "",
        writer_keys=str((folder / settings.writer_keys).absolute()) if settings.writer_keys else "",
        kafka=f"{HOST}:{settings.kafka_port}" if embedded else settings.kafka,
        api=f"http://{host}:{settings.port}",
        gateway=",".join(f"http://{host}:{port}" for port in gateway_ports(settings)),
        gateway_port=settings.effective_gateway_port,
        audit=f"http://{host}:{settings.audit_port}" if settings.audit_port else "",
    )


def environment_of(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that passes ``settings`` to a child; they replace any that were set before.

    Without misspelt variables: the command that starts the system has warned about them.
    """
    variables = {
        f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in Settings.__struct_fields__
    }
    misses = misspelt(environment)
    kept = {name: value for name, value in environment.items() if name not in misses}
    return {**kept, **variables, "PYTHONUNBUFFERED": "1"}


def node_of(settings: Settings) -> Node:
    """The embedded broker of the system."""
    return Node(
        home=Path(settings.data_dir) / "kafka",
        port=settings.kafka_port,
        durability=settings.durability,
        java=settings.java,
        reserved_ports=frozenset(port for port, _, _ in wanted_ports(settings, embedded=True)),
    )


class Parts(Struct, frozen=True):
    """The programs of a system, in the order they start."""

    kafka: Program | None
    """None if Kafka runs elsewhere."""
    topics: Callable[[], None]
    """Creates and checks the topics, once Kafka is ready. May raise CannotStart."""
    projectors: Callable[[int], list[Program]]
    """The workers of the tables that exist; it asks Kafka. The argument is the number of workers of a second
    table; 0: as many as of the first. May raise CannotStart."""
    servers: list[Program]
    companions: list[Program] = []
    """They start last. The system is ready without them, and goes on if they fail."""
    notary: Program | None = None
    """Stops after all writers, to sign their last events; None if the system has none."""


def worker_name(group: str, index: int) -> str:
    """What the worker ``index`` of the table with this consumer group is called."""
    return group if index == 0 else f"{group}-{index}"


def is_worker_of(group: str, name: str) -> bool:
    """Whether ``worker_name`` makes this name for the group."""
    return name == group or (name.startswith(f"{group}-") and name.removeprefix(f"{group}-").isdecimal())


def parts_of(settings: Settings, embedded: bool, names: bool | None = None) -> Parts:
    """The programs of the system with these settings, which are ``resolved``.

    ``names`` as for ``library.store.names.ensure_store``.
    """
    return Parts(
        kafka=_kafka(settings) if embedded else None,
        topics=lambda: _topics(settings, names),
        projectors=lambda beside: _projectors(settings, beside),
        servers=[
            _server(settings, API, API, settings.api, "query_api"),
            *(_gateway(settings, index, url) for index, url in enumerate(settings.gateway_urls)),
        ],
        companions=[_server(settings, AUDIT, AUDIT, settings.audit, "audit")] if settings.audit else [],
        notary=_notary(settings) if settings.notary else None,
    )


def _kafka(settings: Settings) -> Program:
    node = node_of(settings)

    def command() -> list[str]:
        try:
            return prepare(node, os.environ)
        except (NoJars, NoJava, PortInUse, KafkaFailed, OSError) as error:
            raise CannotStart(str(error)) from error

    return Program(
        "kafka",
        command,
        ready=lambda: answers(node),
        environment=java_environment(os.environ),
        log=_log(settings, "kafka"),
        answers=lambda: answers(node, PROBE_TIMEOUT_S),
    )


def _topics(settings: Settings, names: bool | None) -> None:
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import Unprotected, protect_events
    from foundation.kafka_clients import client_config
    from library.store.names import ensure_store
    from schemas.tables import read_tables, tables_of

    admin, timeout_s = AdminClient(client_config(settings)), min(15.0, settings.deadline)
    with _usable(settings):
        tables = tables_of(read_tables(admin, settings, timeout_s))
        ensure_store(admin, settings, tables, names=names, timeout=timeout_s)
        try:
            if changed := protect_events(admin, settings, timeout_s):
                _logger.warning("%s", changed)
        except Unprotected as error:
            # The Kafka belongs to somebody else. The system works, as `library doctor` reports
            _logger.warning("%s", error)


def _projectors(settings: Settings, beside: int) -> list[Program]:
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from schemas.tables import inventory_table, read_tables

    with _usable(settings):
        first, *others = read_tables(AdminClient(client_config(settings)), settings).numbers
    workers = [
        _projector(settings, first, inventory_table(first).group, index, index)
        for index in range(settings.workers)
    ]
    count = beside or settings.workers
    for number in others:
        # Their ports of metrics follow those of the first table's workers, and the notary's
        group, first_port = inventory_table(number).group, settings.workers + settings.notary
        workers += [_projector(settings, number, group, index, first_port + index) for index in range(count)]
    return workers


@contextmanager
def _usable(settings: Settings) -> Iterator[None]:
    """Raises CannotStart for a Kafka that can't be used."""
    from confluent_kafka import KafkaException

    from eventstore.topics import WrongTopic
    from foundation.kafka_clients import KafkaUnavailable, why

    try:
        yield
    except WrongTopic as error:
        raise CannotStart(str(error)) from error
    except (KafkaException, KafkaUnavailable) as error:
        raise CannotStart(
            f"Kafka at {settings.kafka} can't be used: {why(settings, error)}; --kafka HOST:PORT names "
            "another, without --kafka the system runs its own",
            exits.UNAVAILABLE,
        ) from error


def _projector(settings: Settings, table: int, group: str, index: int, port_offset: int) -> Program:
    """Worker ``index`` of the inventory table with this number, whose consumer group is called ``group``."""
    name = worker_name(group, index)
    ready = Path(settings.data_dir) / f"{group}-{index}.ready"

    def forget() -> None:
        ready.unlink(missing_ok=True)

    def command() -> list[str]:
        forget()
        return _python("projector", "--index", str(index), "--table", str(table), "--ready-file", str(ready))

    own = settings.metrics_port and settings.metrics_port + port_offset
    if port_offset >= settings.workers and (own > MAX_PORT or not is_free(own)):
        # The start did not reserve the ports of a second table's workers
        own = 0
    environment = environment_of(msgspec.structs.replace(settings, metrics_port=own), os.environ)
    return Program(
        name,
        command,
        ready=ready.exists,
        environment=environment,
        log=_log(settings, name),
        forget=forget,
        answers=Heartbeat(ready).beats,
        start_limit_s=RECOVERY_LIMIT_S,
    )


def _notary(settings: Settings) -> Program:
    """The notary. It gets a key if it has none."""
    ready = Path(settings.data_dir) / "notary.ready"

    def forget() -> None:
        ready.unlink(missing_ok=True)

    def command() -> list[str]:
        from eventstore.key_files import BadKeyFile, add_key
        from notary.keys import key_file, key_name

        forget()
        if not key_file(settings).exists():
            try:
                key = add_key(key_file(settings), key_name(settings)).verifier
            except BadKeyFile as error:
                raise CannotStart(str(error)) from error
            _logger.info("the notary has a new key, %s: its public part is %s", key_file(settings), key)
        return _python("notary", "--ready-file", str(ready))

    own = settings.metrics_port and settings.metrics_port + settings.workers
    return Program(
        "notary",
        command,
        ready=ready.exists,
        environment=environment_of(msgspec.structs.replace(settings, metrics_port=own), os.environ),
        log=_log(settings, "notary"),
        forget=forget,
        answers=Heartbeat(ready).beats,
        start_limit_s=RECOVERY_LIMIT_S,
    )


class Heartbeat:
    """Watches a file that a process touches at regular intervals.

    The file's time is only compared with itself: the clock of the machine may be set.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._modified_ns = 0
        self._changed_at = 0.0

    def beats(self) -> bool:
        """Whether the file was touched within HEARTBEAT_LIMIT_S before this call, or since the last call."""
        try:
            modified_ns = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        now = time.monotonic()
        if modified_ns != self._modified_ns:
            self._modified_ns, self._changed_at = modified_ns, now
        return now - self._changed_at < HEARTBEAT_LIMIT_S


def _gateway(settings: Settings, index: int, url: str) -> Program:
    own = msgspec.structs.replace(
        settings,
        gateway_port=settings.gateway_port + index,
        advertise=advertised_address(settings, index),
        link_port=settings.link_port and settings.link_port + index,
    )
    name = GATEWAY if index == 0 else f"{GATEWAY}-{index}"
    return _server(own, name, GATEWAY, url, "producer", "gateway")


def _server(settings: Settings, name: str, service: str, url: str, *module: str) -> Program:
    environment = environment_of(settings, os.environ)
    return Program(
        name,
        command=lambda: _python(*module),
        ready=lambda: is_ready(url, service),
        environment=environment,
        log=_log(settings, name),
        answers=lambda: is_alive(url, service, PROBE_TIMEOUT_S),
    )


def _python(*module: str) -> list[str]:
    # -P: a file in the current folder with the name of one of our modules is not imported
    return [sys.executable, "-P", "-m", *module]


def _log(settings: Settings, name: str) -> Path:
    return Path(settings.data_dir) / "logs" / f"{name}.log"
