"""The configuration of the embedded broker."""

from collections.abc import Mapping
from pathlib import Path

from library.process.ports import HOST

JVM = [
    "-Xms64m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
]
"""A small heap and the quick compiler: the broker starts in a second and needs 200–300 MB."""
YEAR_MINUTES = 365 * 24 * 60


def one_node(data: Path, port: int, controller: int, durability: str) -> dict[str, object]:
    """The properties of one node that is both broker and controller. ``durability``: ``disk`` or ``os``."""
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller}",
        "log.dirs": data.absolute(),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        # With the default of a week a monthly consumer group would lose its offsets
        "offsets.retention.minutes": YEAR_MINUTES,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Workers started together share the partitions at once instead of one after the other
        "group.initial.rebalance.delay.ms": 100,
        # With the default a killed reader keeps its partitions for 45 s
        "group.consumer.min.session.timeout.ms": 6000,
        "group.consumer.session.timeout.ms": 6000,
        "group.consumer.min.heartbeat.interval.ms": 1000,
        "group.consumer.heartbeat.interval.ms": 1000,
        # A killed broker can register again only when its old session has ended
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    if durability == "disk":
        # A single broker acknowledges from the page cache, which does not survive a power cut
        settings["log.flush.interval.messages"] = 1
    return settings


def as_text(settings: Mapping[str, object]) -> str:
    """The text of ``server.properties``, in Java's syntax: ASCII, with escapes."""
    return "".join(f"{name}={_escaped(str(value))}\n" for name, value in settings.items())


def java_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a Java that uses file names in UTF-8, whatever the user's locale is."""
    return {**environment, "LC_ALL": "C.UTF-8"}


def _escaped(value: str) -> str:
    # Java reads UTF-16 units, and would skip leading blanks
    units = value.encode("utf-16-be")
    characters = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(
        chr(character) if 0x20 < character < 0x7F and character != 0x5C else f"\\u{character:04x}"
        for character in characters
    )
