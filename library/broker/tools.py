"""Kafka's own command-line tools, run from its jars. They need one more jar than the broker."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from foundation.settings import Settings
from library.broker import jars
from library.broker.kafka import program
from library.broker.properties import as_text

LOCK = Path(__file__).with_name("tools.lock")
TOOLS = {
    "acls": "org.apache.kafka.tools.AclCommand",
    "configs": "kafka.admin.ConfigCommand",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "topics": "org.apache.kafka.tools.TopicCommand",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
}
"""The main class of each tool; ``kafka-topics.sh`` of Kafka's distribution is ``topics`` here."""


@contextmanager
def tool_command(
    settings: Settings, tool: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> Iterator[list[str]]:
    """The command line that runs a tool against the Kafka of ``settings``, valid during the block.

    Raises NoJars, NoJava, OSError.
    """
    base = program(settings.java, environment)
    jar = jars.ready(environment, LOCK)
    classes = base.index("-cp") + 1
    base[classes] = os.pathsep.join([base[classes], *map(str, jar)])
    # Before the tool's own arguments: kafka-transactions takes them only there
    command = [*base, TOOLS[tool]]
    if "--bootstrap-server" not in arguments:
        command += ["--bootstrap-server", settings.kafka]
    if settings.kafka_security == "PLAINTEXT" or "--command-config" in arguments:
        yield [*command, *arguments]
        return
    # Only its owner can read it
    with NamedTemporaryFile("w", encoding="ascii", prefix="library-kafka-", suffix=".properties") as file:
        file.write(as_text(client_properties(settings)))
        file.flush()
        yield [*command, "--command-config", file.name, *arguments]


def client_properties(settings: Settings) -> dict[str, object]:
    """The security settings as a Java client has them."""
    properties: dict[str, object] = {"security.protocol": settings.kafka_security}
    if settings.kafka_security.startswith("SASL"):
        mechanism = settings.kafka_sasl_mechanism
        module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
        properties |= {
            "sasl.mechanism": mechanism,
            "sasl.jaas.config": f"org.apache.kafka.common.security.{module} required "
            f"username={_quoted(settings.kafka_username)} password={_quoted(settings.kafka_password)};",
        }
    if settings.kafka_ca:
        properties |= {
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": Path(settings.kafka_ca).absolute(),
        }
    return properties


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
