"""An event store without any cleanup policy keeps every event and works as one that is compacted."""

from confluent_kafka.admin import AdminClient

from eventstore.topics import check_protection, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.reader import open_reader
from schemas.topics import ensure_topics
from tests.support.projector.library_command import library

ISBN = "9781593275846"


def test_an_event_store_without_a_cleanup_policy_is_written_and_read(settings: Settings) -> None:
    admin = AdminClient(client_config(settings))
    topic = ("--entity-type", "topics", "--entity-name", events_topic(settings))
    altered = library(settings, "kafka", "configs", "--alter", *topic, "--add-config", "cleanup.policy=")
    assert altered.returncode == 0, altered.stderr
    ensure_topics(admin, settings)
    check_protection(admin, settings)
    added = library(settings, "add", ISBN, "Elixir in Action", "Sasa Juric", "1", "--gateway", "")
    assert added.returncode == 0, added.stderr
    with open_reader(settings=settings) as reader:
        (batch,) = reader.batches()
    assert [record.event.isbn for record in batch] == [ISBN]
