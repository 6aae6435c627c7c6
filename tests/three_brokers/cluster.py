"""Three brokers from the jars: started, killed, frozen and thawed one by one."""

import signal
import subprocess
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.broker.properties import one_node
from library.process.ports import HOST, is_free
from tests.support.broker_process import format_storage, start_broker
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually
from tests.three_brokers.active_controller import active_controller

TRANSACTIONS = "__transaction_state"
REPLICATED = {
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "unclean.leader.election.enable": "false",
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "share.coordinator.state.topic.replication.factor": 3,
    "share.coordinator.state.topic.min.isr": 2,
    "broker.session.timeout.ms": 6000,
    "broker.heartbeat.interval.ms": 1500,
    # With the default of 30 s a frozen leader holds transaction markers back for that long
    "request.timeout.ms": 5000,
}
"""How three brokers differ from one; docs/operations.md recommends the same."""


class Cluster:
    """Three nodes, each broker and controller, numbered from 1; the caller stops it."""

    def __init__(self, home: Path) -> None:
        ports = stable_ports(6)
        self._ports = dict(enumerate(ports[:3], 1))
        self._homes = {node: home / f"kafka-{node}" for node in self._ports}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: set[int] = set()
        self._format(dict(enumerate(ports[3:], 1)))
        for node in self._ports:
            self.start(node)
        self.wait_until_whole()

    @property
    def bootstrap(self) -> str:
        """Where clients connect: all three."""
        return ",".join(f"{HOST}:{port}" for port in self._ports.values())

    @property
    def folders(self) -> list[Path]:
        """The folder of each node, with all its files."""
        return list(self._homes.values())

    def admin(self) -> AdminClient:
        """A client that was never connected to a frozen node: librdkafka would go on asking that one."""
        awake = ",".join(f"{HOST}:{port}" for port in self._awake())
        return AdminClient(client_config(Settings(kafka=awake)))

    def start(self, node: int) -> None:
        """Start a node that does not run."""
        self._running[node] = start_broker(self._homes[node])

    def kill(self, node: int) -> None:
        """kill -9."""
        process = self._running.pop(node)
        process.kill()
        process.wait()

    def freeze(self, node: int) -> None:
        """Stop its process with its connections open, until it is thawed."""
        self._running[node].send_signal(signal.SIGSTOP)
        self._frozen.add(node)

    def thaw(self, node: int) -> None:
        """Let it go on as if nothing had happened."""
        self._running[node].send_signal(signal.SIGCONT)
        self._frozen.discard(node)

    def stop(self) -> None:
        """End all of them; nothing is kept."""
        for node in list(self._running):
            self.thaw(node)
            self.kill(node)

    def heal(self) -> None:
        """Thaw and start each node that does not run, and wait until all replicas are in sync."""
        for node in list(self._frozen):
            self.thaw(node)
        for node in self._ports.keys() - self._running.keys():
            self.start(node)
        self.wait_until_whole()

    def leader(self, topic: str, partition: int) -> int:
        """Who leads the partition, as the live brokers say; -1: nobody."""
        return int(self._metadata().topics[topic].partitions[partition].leader)

    def leaders(self) -> set[int]:
        """Every node that leads a partition, as the live brokers say."""
        topics = self._metadata().topics.values()
        return {partition.leader for topic in topics for partition in topic.partitions.values()}

    def coordinator(self, transactional_id: str) -> int:
        """Who keeps the state of the transactional id; -1: nobody yet."""
        state = self._metadata().topics.get(TRANSACTIONS)
        if state is None:
            return -1
        return int(state.partitions[_java_hash(transactional_id) % len(state.partitions)].leader)

    def controller(self) -> int:
        """The active controller, as a live broker says."""
        return active_controller(self._awake())

    def wait_until_whole(self, limit: float = 60.0) -> None:
        """Until all three are there and every partition has all its replicas in sync."""
        eventually(self._is_whole, limit=limit, pause=0.2)

    def log_tail(self) -> str:
        """The last lines of each node's log."""
        texts = (f"{node}: {line}" for node in self._homes for line in self._lines(node)[-20:])
        return "\n".join(texts)

    def _metadata(self) -> ClusterMetadata:
        """Asked again where no live broker answers in time: they may be busy with taking over."""
        return eventually(lambda: self._answer(5), limit=60.0)

    def _answer(self, timeout: float) -> ClusterMetadata | None:
        """What the live brokers say; None: nothing in time."""
        try:
            return self.admin().list_topics(timeout=timeout)
        except KafkaException:
            return None

    def _awake(self) -> list[int]:
        return [self._ports[node] for node in self._running if node not in self._frozen]

    def _lines(self, node: int) -> list[str]:
        return (self._homes[node] / "kafka.log").read_text("utf-8", errors="replace").splitlines()

    def _is_whole(self) -> bool:
        # A dead broker stays in the metadata for a session's length; its port tells at once
        if any(is_free(port) for port in self._ports.values()):
            return False
        metadata = self._answer(2)
        if metadata is None:
            return False
        partitions = [p for topic in metadata.topics.values() for p in topic.partitions.values()]
        return len(metadata.brokers) == 3 and all(len(p.isrs) == len(p.replicas) for p in partitions)

    def _format(self, controllers: dict[int, int]) -> None:
        """All three at once: each format is a JVM."""
        quorum = ",".join(f"{HOST}:{port}" for port in controllers.values())
        initial = ",".join(f"{node}@{HOST}:{port}:{_identifier()}" for node, port in controllers.items())
        cluster = _identifier()

        def format_node(node: int) -> None:
            home = self._homes[node]
            listeners = f"PLAINTEXT://{HOST}:{self._ports[node]},CONTROLLER://{HOST}:{controllers[node]}"
            settings = one_node(home / "data", self._ports[node], controllers[node], "os") | REPLICATED
            settings |= {
                "node.id": node,
                "controller.quorum.bootstrap.servers": quorum,
                "advertised.listeners": listeners,
            }
            format_storage(home, settings, "--cluster-id", cluster, "--initial-controllers", initial)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(format_node, controllers))


def _identifier() -> str:
    """A Kafka id that does not begin with a dash, which a command line would take for an option."""
    while (text := urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _java_hash(text: str) -> int:
    """String.hashCode, without its sign, as Kafka picks a coordinator's partition."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
