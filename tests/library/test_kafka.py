from confluent_kafka.admin import AdminClient

from schemas.kafka import client_config
from schemas.topics import check_topics


def test_the_fixtures_give_a_system_of_its_own(new_settings):
    first, second = new_settings(partitions=2), new_settings(partitions=1)
    assert first.name != second.name
    for settings in (first, second):
        check_topics(AdminClient(client_config(settings)), settings)
