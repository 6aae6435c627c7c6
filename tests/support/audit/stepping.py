"""Drives an audit from a test."""

from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from audit.differences import Difference
from audit.session import Session
from foundation.kafka_clients import reading_config
from tests.support.waiting import eventually


def until(session: Session, condition: Callable[[], object]) -> None:
    """Step until the condition holds."""

    def stepped() -> bool:
        session.step()
        return bool(condition())

    eventually(stepped, pause=0)


def until_whole(session: Session) -> None:
    """Step until every row was compared once."""
    until(session, lambda: session.partitions and all(one.whole_at for one in session.partitions.values()))


def until_read(session: Session) -> None:
    """Step until the changelog was read up to its present end, and compared if it can be."""
    topic = session.subject.table.changelog(session.settings)
    consumer = Consumer(reading_config(session.settings))
    ends = {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
        for number in range(session.settings.partitions)
    }
    consumer.close()
    until(
        session, lambda: all(one.at_end and one.table_end >= ends[n] for n, one in session.partitions.items())
    )
    until(
        session,
        lambda: all(one.folded == one.next or not one.comparable for one in session.partitions.values()),
    )


def until_differing(session: Session, *isbns: str) -> dict[str, Difference]:
    """Step until exactly these titles differ; return what is known of them."""

    def differing() -> bool:
        found = [one.isbn for one in session.details()]
        return found == sorted(isbns) and sum(p.differing for p in session.partitions.values()) == len(isbns)

    until(session, differing)
    return {one.isbn: one for one in session.details()}
