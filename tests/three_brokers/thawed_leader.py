"""A writer that meets a leader of yesterday: frozen while another took over, and thawed just now.

For some milliseconds such a broker still answers reads as if it led the partition, with a log that ends
where it was frozen.
"""

from collections.abc import Callable
from threading import Timer
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from eventstore.append.deadline import Deadline
from eventstore.append.writer import Writer
from eventstore.errors import ClaimLost
from eventstore.state.outcomes import Accepted, Outcome, submit
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from producer.writers import writer_of
from schemas.reader import open_reader
from schemas.records import Recorded
from schemas.topics import ensure_topics, topic_configs
from tests.support.waiting import eventually
from tests.three_brokers.cluster import Cluster

ISBN = "9781593275846"
DEADLINE = 60.0
FOR_EVER = 900_000
"""ms"""
UNDER_WAY = 0.15
"""Seconds after which the writer's read has surely been sent to the frozen broker."""

NewWriter = Callable[[Settings, int], Writer]


class StaleLeader:
    """A title that was lent, as ``stale`` knows, and returned, as only the log says.

    The leader that both knew is frozen. ``stale`` has connections to it and no reason to doubt it.
    """

    def __init__(self, cluster: Cluster, new_writer: NewWriter) -> None:
        self._cluster = cluster
        self.settings = _system(cluster)
        self._leader = cluster.leader(events_topic(self.settings), 0)
        self.truth = writer_of(self.settings, 0)
        self.stale = new_writer(self.settings, 0)
        for config in (self.stale.fence._config, self.stale.catch_up.log._config):
            # As short a time as the default is only luck
            config |= {"metadata.max.age.ms": FOR_EVER, "topic.metadata.refresh.interval.ms": FOR_EVER}
        done(self.truth, AddBook(ISBN, "Elixir in Action", quantity=1))
        done(self.stale, BorrowBook(ISBN, "ann"))
        eventually(self._settled)
        self._change_unnoticed()

    def _settled(self) -> bool:
        """Whether the leader shows all of the loan's transaction: its end comes a moment after the answer."""
        assert self.stale.state is not None
        try:
            self.stale.catch_up.to_the_end(self.stale.state, Deadline(10), lambda: None)
        except ClaimLost:
            return False
        return True

    def _change_unnoticed(self) -> None:
        self._cluster.freeze(self._leader)
        try:
            done(self.truth, ReturnBook(ISBN, "ann"))
            for user in ("ben", "cho"):
                done(self.truth, BorrowBook(ISBN, user))
                done(self.truth, ReturnBook(ISBN, user))
        except BaseException:
            self._cluster.thaw(self._leader)
            raise

    def thaw(self) -> None:
        """Let the frozen broker answer the requests of the next moment."""
        timer = Timer(UNDER_WAY, self._cluster.thaw, [self._leader])
        timer.daemon = True
        timer.start()

    def events(self) -> list[Recorded]:
        """What the event store holds, in order."""
        self._cluster.thaw(self._leader)
        self._cluster.wait_until_whole()
        with open_reader(settings=self.settings) as reader:
            return list(reader)

    def close(self) -> None:
        """Give the partition up, and leave the brokers awake."""
        self._cluster.thaw(self._leader)
        self.truth.close()
        self.stale.close()


def done(writer: Writer, command: Command) -> Accepted:
    """Its receipt; fails when it was not accepted."""
    outcome = outcome_of(writer, command)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def outcome_of(writer: Writer, command: Command) -> Outcome:
    """What the writer answers to the command."""
    (outcome,) = writer.execute([submit(uuid4().hex, command)], DEADLINE)
    return outcome


def _system(cluster: Cluster) -> Settings:
    """One partition, led by a broker that coordinates neither its transactions nor the cluster.

    With the coordinator frozen nobody could write, and the window would be another one.
    """
    name = f"test-{uuid4().hex[:12]}"
    settings = Settings(kafka=cluster.bootstrap, name=name, partitions=1, replication=3)
    events = events_topic(settings)
    fence = f"{events}-0"
    # Asking for its coordinator makes the topic of coordinators
    Producer(client_config(settings) | {"transactional.id": fence}).init_transactions(30)
    taken = {eventually(lambda: max(cluster.coordinator(fence), 0)), cluster.controller()}
    leader = next(node for node in (1, 2, 3) if node not in taken)
    replicas = [leader, *(node for node in (1, 2, 3) if node != leader)]
    admin = cluster.admin()
    config = topic_configs(settings)[events]
    admin.create_topics([NewTopic(events, 1, replica_assignment=[replicas], config=config)])[events].result(
        30
    )
    ensure_topics(admin, settings)
    eventually(lambda: cluster.leader(events, 0) == leader)
    cluster.wait_until_whole()
    return settings
