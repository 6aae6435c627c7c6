"""A real Apache Kafka on this machine: one KRaft node from its jars, formatted and ready to run."""

import json
import os
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from msgspec import Struct

from library.broker import jars
from library.broker.class_archive import keep_classes, with_classes
from library.broker.java import find_java
from library.broker.properties import JVM, as_text, java_environment, one_node
from library.process.ports import HOST, free_port, is_free, require_free


class KafkaFailed(Exception):
    """The broker can't start. The message has the reason and the next step."""


class Node(Struct, frozen=True, kw_only=True):
    """One embedded broker: its directory, its port, its durability (``disk``, ``os``), its Java ("": any)."""

    home: Path
    port: int
    durability: str = "disk"
    java: str = ""
    reserved_ports: frozenset[int] = frozenset()
    """Ports that the controller must not take."""

    @property
    def bootstrap(self) -> str:
        """The address of its clients."""
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        """The log directory."""
        return self.home / "data"


def prepare(node: Node, environment: Mapping[str, str]) -> list[str]:
    """Format and configure the broker's directory. Returns the command that runs the broker.

    Raises NoJars, NoJava, PortInUse, KafkaFailed.
    """
    require_free(node.port, "Kafka", "--kafka-port")
    node.home.mkdir(parents=True, exist_ok=True)
    _refuse_newer(node)
    base = program(node.java, environment)
    config = node.home / "server.properties"
    properties = one_node(node.data, node.port, _controller_port(node), node.durability)
    config.write_text(as_text(properties), "utf-8")
    if not (node.data / "meta.properties").exists():
        _format(node, base, config)
    return [*base, *keep_classes(base[0], jars.cache(environment)), "kafka.Kafka", str(config)]


def program(java: str, environment: Mapping[str, str]) -> list[str]:
    """The command line up to a main class of Kafka: Java, options and jars. Raises NoJars, NoJava."""
    log4j = Path(__file__).with_name("log4j2.xml")
    classes = os.pathsep.join(map(str, jars.ready(environment)))
    runtime = find_java(java, environment)
    options = [*JVM, *with_classes(runtime, jars.cache(environment)), f"-Dlog4j2.configurationFile={log4j}"]
    return [runtime, *options, "-cp", classes]


def cluster_id(node: Node) -> str:
    """The cluster id in the broker's directory."""
    text = (node.data / "meta.properties").read_text("utf-8")
    return next(line.partition("=")[2] for line in text.splitlines() if line.startswith("cluster.id="))


def answers(node: Node, timeout: float = 1.0) -> bool:
    """Whether the broker with this cluster id answers a metadata request within ``timeout`` seconds."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from foundation.settings import Settings

    config = client_config(Settings(kafka=node.bootstrap)) | {"reconnect.backoff.max.ms": 50}
    try:
        metadata = AdminClient(config).list_topics(timeout=timeout)
    except KafkaException:
        return False
    return bool(metadata.brokers) and metadata.cluster_id == cluster_id(node)


def _refuse_newer(node: Node) -> None:
    marker, ours = node.home / "format.json", jars.kafka_version()
    if not marker.exists():
        return
    try:
        formatted = str(json.loads(marker.read_text("utf-8"))["kafka"])
        newer = _version(formatted) > _version(ours)
    except (ValueError, KeyError, TypeError) as error:
        raise KafkaFailed(
            f"{marker} can't be read ({error}): restore it, or start with another --data-dir"
        ) from error
    if newer:
        raise KafkaFailed(
            f"{node.home} was formatted by Kafka {formatted}. Kafka {ours} of this program can't open it. "
            "Use the release that wrote it, or move the events: with that release `library up` and "
            "`library backup FILE`, then with this one `library up --data-dir NEW` and "
            "`library restore FILE --data-dir NEW`"
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _controller_port(node: Node) -> int:
    """The controller's last port if it is free, else any free one: port + 1 is often taken."""
    file = node.home / "controller.port"
    if file.exists() and (text := file.read_text("utf-8").strip()).isdigit():
        last = int(text)
        if last not in node.reserved_ports and is_free(last):
            return last
    while (port := free_port()) in node.reserved_ports:
        pass
    file.write_text(f"{port}\n", "utf-8")
    return port


def _format(node: Node, base: list[str], config: Path) -> None:
    (node.home / "format.json").write_text(json.dumps({"kafka": jars.kafka_version()}) + "\n", "utf-8")
    command = [*base, "kafka.tools.StorageTool", "format", "--standalone"]
    command += ["--cluster-id", _new_cluster_id(), "--config", str(config)]
    environment = java_environment(os.environ)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    if done.returncode:
        raise KafkaFailed(
            f"Kafka could not format {node.data}: {' '.join((done.stderr or done.stdout).split())[-500:]}"
        )


def _new_cluster_id() -> str:
    # 16 bytes in URL-safe base64. A leading "-" would be parsed as an option
    return "L" + urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")[1:]
