"""The end of a transaction that reaches Kafka late, when the same producer is at its next transaction.

librdkafka speaks transactions of version 1: one producer epoch for many transactions. A request that ends
one of them is valid for all that follow, until the next claim. It is late when the client has waited for its
answer in vain, repeated it on another connection, and the first one arrives after all.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from msgspec import Struct
from msgspec.structs import replace

from eventstore.append.deadline import Deadline
from eventstore.append.fence import Fence
from eventstore.append.writer import PROBE_KEY, Writer
from eventstore.errors import lost_on_error
from eventstore.state.outcomes import Outcome, Unwritable
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import BorrowBook, ReturnBook
from library.broker.properties import one_node
from library.process.ports import HOST
from library.store.offsets import end, high_watermarks
from producer.writers import writer_of
from schemas.topics import ensure_topics
from tests.support.broker_process import format_storage, start_broker
from tests.support.kafka_proxy import END_TXN, PRODUCE, Delayed, KafkaProxy
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    accepted,
    committed_records,
    event_types,
    refused,
    run,
)
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually


class Proxied(Struct, frozen=True):
    """A broker, reached directly or through the proxy."""

    direct: str
    through: str
    proxy: KafkaProxy


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Clients that connect to ``through`` have all their requests pass the proxy."""
    home = tmp_path_factory.mktemp("proxied") / "kafka"
    port, behind, controller, front = stable_ports(4)
    format_storage(
        home,
        one_node(home / "data", port, controller, "os")
        | {
            "listeners": ",".join(
                f"{name}://{HOST}:{number}"
                for name, number in (("PLAINTEXT", port), ("PROXIED", behind), ("CONTROLLER", controller))
            ),
            "advertised.listeners": f"PLAINTEXT://{HOST}:{port},PROXIED://{HOST}:{front}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        },
        "--standalone",
        "--cluster-id",
        "LateEndOfTransaction01",
    )
    kafka = start_broker(home)
    try:
        with KafkaProxy(front, behind) as proxy:
            found = Proxied(f"{HOST}:{port}", f"{HOST}:{front}", proxy)
            eventually(lambda: answers(found.through))
            yield found
    finally:
        kafka.kill()
        kafka.wait()


def answers(address: str) -> bool:
    try:
        return bool(AdminClient(client_config(Settings(kafka=address))).list_topics(timeout=1).brokers)
    except KafkaException:
        return False


@pytest.fixture
def direct(proxied: Proxied, tmp_path: Path) -> Settings:
    """A fresh system, for all but the writer under test."""
    settings = Settings(kafka=proxied.direct, name=tmp_path.name, partitions=1)
    ensure_topics(AdminClient(client_config(settings)), settings)
    return settings


class KeepsClaim(Fence):
    """Commits as often as it likes with one claim, however long a commit took."""

    def commit(self, deadline: Deadline) -> None:
        with lost_on_error("committing"):
            self._required().commit_transaction(deadline.left())


def after_a_repeated_commit(
    proxied: Proxied, settings: Settings, fence: type[Fence], cut: bool = True
) -> tuple[Writer, Delayed]:
    """A writer whose last commit was acknowledged on the second attempt; the first one is kept back.

    The first one's connection breaks at once (``cut``), or the client waits for its answer in vain.
    """
    through = replace(settings, kafka=proxied.through)
    writer = writer_of(through, 0, fence=fence(through, 0))
    accepted(run(writer, ADD)[0])
    late = proxied.proxy.delay(END_TXN, cut=cut)
    accepted(run(writer, BorrowBook(ISBN, "ann"))[0])
    assert late.arrived.is_set()
    return writer, late


def hides_nothing(settings: Settings) -> bool:
    """Whether the log's end for committed readers is its end."""
    topic = events_topic(settings)
    return end(settings, topic) == high_watermarks(settings, topic)


def before_produce(proxied: Proxied, settings: Settings, late: Delayed) -> None:
    """Deliver the late request after Kafka knows the next transaction, and before its records."""

    def deliver() -> None:
        late.deliver()
        eventually(lambda: hides_nothing(settings))

    proxied.proxy.before(PRODUCE, deliver)


def before_the_next_end(proxied: Proxied, settings: Settings, late: Delayed) -> None:
    """Deliver the late request when the next transaction's records are in the log."""
    proxied.proxy.before(END_TXN, late.deliver)


MOMENTS = [before_produce, before_the_next_end]


@pytest.mark.parametrize("cut", [True, False])
def test_a_commit_that_was_repeated_ends_the_claim_and_keeps_its_answer(
    proxied: Proxied, direct: Settings, cut: bool
):
    writer, _ = after_a_repeated_commit(proxied, direct, Fence, cut)
    assert not writer.fence.claimed
    assert event_types(direct) == ["BookAdded", "BookBorrowed"]
    accepted(run(writer, ReturnBook(ISBN, "ann"))[0])
    assert writer.fence.claimed, "a commit that was quick keeps it"
    writer.close()


def test_an_abort_that_was_repeated_ends_the_claim_and_keeps_the_refusal(proxied: Proxied, direct: Settings):
    through = replace(direct, kafka=proxied.through)
    writer = writer_of(through, 0)
    accepted(run(writer, ADD)[0])
    # With several brokers a refusal is proved by a record that is aborted
    writer.fence.replicated = True
    late = proxied.proxy.delay(END_TXN, cut=True)
    assert refused(run(writer, ReturnBook(ISBN, "ann"))[0])
    assert late.arrived.is_set()
    assert not writer.fence.claimed
    # The first abort arrives in the transaction of the next batch, which has another epoch
    before_the_next_end(proxied, direct, late)
    accepted(run(writer, BorrowBook(ISBN, "ann"))[0])
    assert event_types(direct) == ["BookAdded", "BookBorrowed"]
    assert eventually(lambda: hides_nothing(direct))
    writer.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_late_end_changes_nothing_after_the_new_claim(
    proxied: Proxied, direct: Settings, moment: Callable[[Proxied, Settings, Delayed], None]
):
    writer, late = after_a_repeated_commit(proxied, direct, Fence)
    moment(proxied, direct, late)
    accepted(run(writer, BorrowBook(ISBN, "ben"))[0])
    assert writer.fence.claimed, "nothing went wrong"
    assert event_types(direct) == ["BookAdded", "BookBorrowed", "BookBorrowed"]
    assert eventually(lambda: hides_nothing(direct))
    writer.close()


def probe(proxied: Proxied, settings: Settings, fence: type[Fence]) -> tuple[Outcome, bool]:
    """What a refusal becomes while a late commit meets its probe, and whether readers see the probe."""
    writer, late = after_a_repeated_commit(proxied, settings, fence)
    assert refused(run(writer, BorrowBook(ISBN, "ann"))[0]) == "already_borrowed"
    before_the_next_end(proxied, settings, late)
    # With several brokers a refusal is proved by a record that is aborted
    writer.fence.replicated = True
    (outcome,) = run(writer, BorrowBook(ISBN, "ann"))
    writer.close()
    return outcome, PROBE_KEY in [message.key() for message in committed_records(settings)]


def test_a_late_commit_leaves_a_probe_to_be_aborted(proxied: Proxied, direct: Settings):
    outcome, visible = probe(proxied, direct, Fence)
    assert refused(outcome) == "already_borrowed"
    assert not visible


def test_without_the_new_claim_a_late_commit_shows_the_probe_to_all(proxied: Proxied, direct: Settings):
    outcome, visible = probe(proxied, direct, KeepsClaim)
    assert isinstance(outcome, Unwritable), "no title of the partition can be written any more"
    assert visible


@pytest.mark.parametrize("verified", [True, False])
def test_only_without_verification_a_record_after_a_late_end_is_hidden(
    proxied: Proxied, direct: Settings, verified: bool
):
    """Kafka's default turns the record away; nothing of ours is needed for that."""
    with verification(direct, verified):
        writer, late = after_a_repeated_commit(proxied, direct, KeepsClaim)
        writer.catch_up._patience_s = 1.0
        before_produce(proxied, direct, late)
        (outcome,) = run(writer, BorrowBook(ISBN, "ben"))
    if verified:
        accepted(outcome)
        assert event_types(direct) == ["BookAdded", "BookBorrowed", "BookBorrowed"]
        assert eventually(lambda: hides_nothing(direct))
    else:
        assert isinstance(outcome, Unwritable)
        assert not hides_nothing(direct)
    writer.close()


@contextmanager
def verification(settings: Settings, on: bool) -> Iterator[None]:
    """The broker verifies a transaction's partitions, or does not; afterwards it does."""
    admin = AdminClient(client_config(settings))

    def turn(on: bool) -> None:
        entry = ConfigEntry(
            "transaction.partition.verification.enable",
            str(on).lower(),
            incremental_operation=AlterConfigOpType.SET,
        )
        node = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])
        admin.incremental_alter_configs([node])[node].result(10)

    turn(on)
    try:
        yield
    finally:
        turn(True)
