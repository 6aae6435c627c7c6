"""Committed records of one partition, read without a consumer group."""

import time
from itertools import islice
from typing import Any

import pytest
from msgspec.structs import replace

from eventstore.partition_reader import follow_partition, read_partition
from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable
from tests.support.library.event_writer import added_and_removed, write_events
from tests.support.steady_writes import steady_writes


@pytest.fixture
def one(new_settings):
    """An event store of one partition."""
    return new_settings(partitions=1)


def offsets(settings, start, end):
    return [m.offset() for m in read_partition(settings, events_topic(settings), 0, start, end=end)]


def test_it_returns_the_committed_records_between_two_offsets(one):
    write_events(one, added_and_removed(2))
    write_events(one, added_and_removed(2), then="abort")
    write_events(one, added_and_removed(1))
    # Offsets 4 and 9 are transaction markers, 5 to 8 were aborted
    assert offsets(one, 0, 12) == [0, 1, 2, 3, 10, 11]
    assert offsets(one, 2, 11) == [2, 3, 10]
    assert offsets(one, 4, 9) == []
    assert offsets(one, 3, 3) == []


def test_records_hidden_by_an_open_transaction_are_waited_for_until_the_deadline(one):
    writer = write_events(one, added_and_removed(1), then="leave")
    with pytest.raises(KafkaUnavailable, match=r"was silent for 0\.5 s"):
        offsets(replace(one, deadline=0.5), 0, 2)
    writer.commit_transaction(20)
    assert offsets(one, 0, 2) == [0, 1]


def test_a_follower_is_told_of_the_end_each_time_and_given_later_records(one):
    following: Any = follow_partition(one, events_topic(one), 0)
    assert next(following) is None
    assert next(following) is None
    write_events(one, added_and_removed(1))
    records = islice((message for message in following if message is not None), 2)
    assert [message.offset() for message in records] == [0, 1]
    following.close()


def test_a_follower_is_told_of_the_end_although_records_arrive_all_the_time(one):
    ends, read, give_up = 0, 0, time.monotonic() + 20
    with steady_writes(one):
        for message in follow_partition(one, events_topic(one), 0):
            assert time.monotonic() < give_up
            ends += message is None and read > 0
            read += message is not None
            if ends == 20:
                return


def test_a_kafka_that_does_not_answer_is_reported_after_the_deadline(settings):
    away = replace(settings, kafka="127.0.0.1:1", deadline=0.5)
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1 was silent"):
        offsets(away, 0, 1)
    with pytest.raises(KafkaUnavailable):
        next(follow_partition(away, events_topic(away), 0))
