"""Which gateway has which partitions: they are members of one consumer group, and its leader assigns them.

The members consume nothing. Kafka's group membership is used for its assignment, its failure detection, and
its list of members: each one's client id is the address at which the others reach it.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from eventstore.groups import GroupDescriber
from eventstore.topics import events_topic, gateways_group
from foundation.kafka_clients import reading_config
from foundation.settings import Settings

SESSION_TIMEOUT_MS = 6_000
"""After which Kafka gives the partitions of a gateway that died or froze to others: a broker's least."""
HEARTBEAT_INTERVAL_MS = 500
"""Also how soon a member learns that another came or went."""
POLL_INTERVAL_S = 0.1
DESCRIBE_INTERVAL_S = 1.0
"""Between two looks at the list of members, while nothing changes here."""
DESCRIBE_TIMEOUT_S = 2.0
LEAVE_TIMEOUT_S = 5.0
"""That a stop waits until the group knows that this member has left."""

log = logging.getLogger(__name__)


class Members(NamedTuple):
    """The gateways of a store, as one of them sees them. ``mine`` is None while the group is not joined."""

    mine: frozenset[int] | None = None
    owners: Mapping[int, str] = {}
    """Partitions that others have, each with the address of its owner."""
    others: frozenset[str] = frozenset()
    """Addresses of all other members."""


def _ignore(_: Members) -> None:
    pass


class Membership:
    """Joins the group in a thread of its own, under ``address``, and reports its members."""

    def __init__(self, settings: Settings, address: str) -> None:
        self._settings, self.address = settings, address
        self._members: Members | None = None
        self._changed: Callable[[Members], None] = _ignore
        self._mine: set[int] | None = None
        self._describe_at = 0.0
        self._describer = GroupDescriber(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)

    def start(self, changed: Callable[[Members], None]) -> None:
        """Look for others, then join.

        ``changed`` is called in the membership's thread: at once, and whenever the members have changed.
        """
        self._changed = changed
        self._thread.start()

    def stop(self) -> None:
        """Leave the group: others have the partitions a moment later."""
        self._stopping.set()
        self._thread.join(LEAVE_TIMEOUT_S)

    def _run(self) -> None:
        self._look()
        consumer = Consumer(
            reading_config(self._settings)
            | {
                "group.id": gateways_group(self._settings),
                "client.id": self.address,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS,
                "auto.offset.reset": "latest",
                "enable.partition.eof": False,
            }
        )
        consumer.subscribe(
            [events_topic(self._settings)],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._revoked,
        )
        while not self._stopping.is_set():
            # Keeps the membership alive and delivers errors; all partitions are paused
            message = consumer.poll(POLL_INTERVAL_S)
            if message is not None and (error := message.error()) is not None:
                log.debug("the gateways' group: %s", error)
            if monotonic() >= self._describe_at:
                self._look()
        consumer.close()

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        if partitions:
            consumer.pause(partitions)
        self._mine = (self._mine or set()) | {each.partition for each in partitions}
        self._look()

    def _revoked(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self._mine = (self._mine or set()) - {each.partition for each in partitions}
        consumer.incremental_unassign(partitions)
        self._look()

    def _look(self) -> None:
        """Read the members and their partitions; where Kafka does not answer, the last answer holds."""
        last = self._members or Members()
        owners, others = last.owners, last.others
        try:
            owners, others = self._describe()
        except KafkaException as error:
            log.debug("the gateways' group can't be read: %s", error)
        self._describe_at = monotonic() + DESCRIBE_INTERVAL_S
        mine = None if self._mine is None else frozenset(self._mine)
        members = Members(mine, {k: v for k, v in owners.items() if k not in (mine or ())}, others)
        if members != self._members:
            self._members = members
            self._changed(members)

    def _describe(self) -> tuple[dict[int, str], frozenset[str]]:
        group = self._describer.description(gateways_group(self._settings), DESCRIBE_TIMEOUT_S)
        owners: dict[int, str] = {}
        others = set()
        for member in group.members:
            if member.client_id == self.address:
                continue
            others.add(member.client_id)
            assignment = member.assignment.topic_partitions if member.assignment else []
            owners |= {each.partition: member.client_id for each in assignment}
        return owners, frozenset(others)
