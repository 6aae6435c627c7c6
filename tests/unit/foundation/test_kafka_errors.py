"""Errors of Kafka as sentences."""

import pytest
from confluent_kafka import KafkaError, KafkaException
from msgspec.structs import replace

from foundation.cli import exits
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import why
from foundation.settings import Settings

REFUSALS = [
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
]


@pytest.mark.parametrize("code", REFUSALS)
def test_a_missing_acl_is_answered_with_the_command_that_prints_it(code: int):
    settings = replace(Settings(), kafka_username="library-projector")
    error = KafkaException(KafkaError(code))
    said = unreachable(settings, error)
    assert said.exit_code == exits.UNAVAILABLE
    for text in (why(settings, error), str(said)):
        assert "user 'library-projector' lacks an ACL" in text
        assert "`library topics acl`" in text
    assert "library up" not in str(said)
    assert "this client lacks" in why(Settings(), error)


def test_a_broker_that_does_not_answer_lacks_no_acl():
    error = KafkaException(KafkaError(KafkaError._TRANSPORT))
    assert "ACL" not in why(Settings(), error)
    assert "library up" in str(unreachable(Settings(), error))
