"""The command line of Kafka's own tools."""

from pathlib import Path

from foundation.settings import Settings
from library.broker import jars, tools
from library.commands.kafka import TOOLS


def test_the_command_offers_the_tools_that_there_are() -> None:
    assert tuple(tools.TOOLS) == TOOLS


def test_the_tools_are_of_the_brokers_version() -> None:
    (jar,) = jars.locked(tools.LOCK)
    assert jar.version == jars.kafka_version()


def test_security_settings_become_a_java_clients() -> None:
    settings = Settings(
        kafka_security="SASL_SSL",
        kafka_username="ann",
        kafka_password='a"b\\c',
        kafka_ca="/etc/ca.pem",
    )
    assert tools.client_properties(settings) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="ann" password="a\\"b\\\\c";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": Path("/etc/ca.pem"),
    }
    assert tools.client_properties(Settings(kafka_security="SSL")) == {"security.protocol": "SSL"}
