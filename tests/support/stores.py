"""Fresh systems on the tests' broker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics
from tests.support.waiting import eventually


def new_store(broker: str, folder: Path, **changes: Any) -> Settings:
    """The settings of a system with its topics, a name and a data directory in ``folder`` of its own."""
    name = f"test-{uuid4().hex[:12]}"
    values: dict[str, Any] = {"kafka": broker, "name": name, "data_dir": str(folder / name)}
    settings = Settings(**values | changes)
    ensure_topics(AdminClient(client_config(settings)), settings)
    return settings


def alter_topic(admin: AdminClient, topic: str, values: Mapping[str, str]) -> None:
    """Change settings of a topic. Its brokers learn of them a moment later."""
    changes = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    admin.incremental_alter_configs([resource])[resource].result(20)


def delete_topics(settings: Settings, *topics: str) -> None:
    """Delete topics, and return when Kafka has none of them any more."""
    admin = AdminClient(client_config(settings))
    for future in admin.delete_topics(list(topics), operation_timeout=20).values():
        future.result()
    eventually(lambda: not admin.list_topics(timeout=5).topics.keys() & set(topics))


def empty_topics(settings: Settings, *topics: str) -> None:
    """Delete topics of the system, and create them again: they have other ids."""
    delete_topics(settings, *topics)
    ensure_topics(AdminClient(client_config(settings)), settings)
