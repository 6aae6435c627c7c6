"""Apache Kafka in a container, by testcontainers.

testcontainers' own KafkaContainer takes Confluent's images only ("must be 7.0.0 or above"). A broker must
advertise the port that Docker chose. It exists once the container runs: the start waits for a file with it.
"""

import os
from pathlib import Path
from typing import Self

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from library.broker.properties import one_node

IMAGE = os.environ.get("KAFKA_IMAGE", "apache/kafka:4.2.2")
START = "until [ -f /tmp/advertised ]; do sleep 0.05; done; . /tmp/advertised; exec /etc/kafka/docker/run"


class BrokerContainer(DockerContainer):
    """One broker with the properties of the embedded one, on a port that Docker chooses."""

    def __init__(self, image: str = IMAGE) -> None:
        # The tests remove their containers; the remover of testcontainers would need another image
        testcontainers_config.ryuk_disabled = True
        super().__init__(image)
        self.with_exposed_ports(9092).with_envs(**_environment())
        self.with_command(["bash", "-c", START])

    @property
    def bootstrap(self) -> str:
        """Where its clients connect."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(9092)}"

    def start(self) -> Self:
        """Start it; it answers some seconds later."""
        super().start()
        advertised = f"PLAINTEXT://{self.bootstrap},INSIDE://localhost:19092"
        self.copy_into_container(
            f"export KAFKA_ADVERTISED_LISTENERS={advertised}\n".encode(), "/tmp/advertised"
        )
        return self

    def log_text(self) -> str:
        """Its log."""
        return "".join(text.decode(errors="replace") for text in self.get_logs())


def _environment() -> dict[str, str]:
    """The embedded broker's properties as environment variables of the image."""
    named = one_node(Path("/var/lib/kafka/data"), 9092, 9093, "os")
    del named["controller.quorum.bootstrap.servers"], named["advertised.listeners"]
    named |= {
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": "PLAINTEXT://:9092,INSIDE://:19092,CONTROLLER://:9093",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": str(value) for name, value in named.items()}
