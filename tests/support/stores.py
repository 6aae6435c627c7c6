"""Fresh systems on the tests' broker."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka.admin import AdminClient

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
