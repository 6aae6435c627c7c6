"""Every client of the projector connects as the settings say."""

import ssl
from typing import Any

import certifi
import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list

from foundation.settings import Settings
from projector.app import build
from projector.fold.batch_fold import INVENTORY_PROJECTION


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("security", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_clients_get_the_sasl_settings(security, mechanism):
    told = _told(
        kafka_security=security, kafka_sasl_mechanism=mechanism, kafka_username="u", kafka_password="p"
    )
    for client in told:
        assert client["security_protocol"] == security
        assert client["sasl_mechanism"] == mechanism
        assert (client["sasl_plain_username"], client["sasl_plain_password"]) == ("u", "p")
        assert isinstance(client["ssl_context"], ssl.SSLContext) == (security == "SASL_SSL")


def test_faust_clients_trust_the_configured_authority():
    for client in _told(kafka_security="SSL", kafka_ca=certifi.where()):
        assert client["security_protocol"] == "SSL"
        assert client["ssl_context"].get_ca_certs()
        assert client["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_faust_clients_use_plaintext_by_default():
    for client in _told():
        assert client["security_protocol"] == "PLAINTEXT"


def test_faust_clients_get_all_bootstrap_servers():
    for client in _told(kafka="one:1,two:2"):
        assert client["bootstrap_servers"] == ["one:1", "two:2"]


def _told(**given):
    """What Faust makes the consumer, and each producer, with."""
    app = build(
        Settings(data_dir="unused", **given), 0, lambda: pytest.fail("asked Kafka"), INVENTORY_PROJECTION
    )
    servers = {"bootstrap_servers": server_list(app.transport.url, 9092)}
    faust: Any = app.producer
    producer = faust._settings_default() | faust._settings_auth()
    consumer = credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context)
    return [producer, {**consumer, **servers}]
