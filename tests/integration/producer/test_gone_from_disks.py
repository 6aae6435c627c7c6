"""A forgotten name leaves Kafka's files, also where nothing more is written to the topic of names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from eventstore.append.owner import now_ms
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import BorrowBook, ReturnBook
from inventory.patrons import ForgetPatron
from producer.names.erasures import is_rolled, roll, segment_ms
from producer.names.forgetting import add, forget
from producer.names.names import Names
from schemas.topics import names_topic
from tests.support.brokers import embedded_broker
from tests.support.producer.gateway_process import running_gateway
from tests.support.producer.named_store import directory, keep_names_apart, lend, loans, state
from tests.support.producer.writer_calls import ADD, ISBN, SECONDS, accepted
from tests.support.stores import alter_topic, new_store
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
USER, OTHER_USER = "card-0048213-xyzzy", "card-0048214-xyzzy"
SHORT_MS = 2_000


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "kafka"


@pytest.fixture
def store(files: Path, tmp_path: Path) -> Iterator[Settings]:
    """A store on a broker whose files can be read, with a borrower who has returned everything."""
    with embedded_broker(files) as broker:
        settings = keep_names_apart(new_store(broker.bootstrap, tmp_path, partitions=1, gateway=""))
        admin, topic = AdminClient(client_config(settings)), names_topic(settings)
        short = dict.fromkeys(("segment.ms", "max.compaction.lag.ms"), str(SHORT_MS))
        alter_topic(admin, topic, short)
        accepted(lend(settings, ADD))
        for what in (BorrowBook(ISBN, USER), ReturnBook(ISBN, USER), BorrowBook(ISBN, OTHER_USER)):
            accepted(lend(settings, what))
        yield settings


def holding(folder: Path, text: str) -> list[str]:
    """The files that contain the text, those that are about to be deleted included."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path.name)
        except FileNotFoundError:
            # Deleted meanwhile
            continue
    return found


def test_an_idle_topic_keeps_the_name_until_the_rolling_record(store: Settings, files: Path):
    names = Names(store)
    assert segment_ms(store) == SHORT_MS
    assert state(forget(names, USER, SECONDS)) == "forgotten"
    assert holding(files, USER)
    assert not is_rolled(names.directory, SHORT_MS)
    roll(names, SHORT_MS, SECONDS, clock=lambda: names.directory.erased_at + SHORT_MS)
    assert not is_rolled(names.directory, SHORT_MS)
    eventually(lambda: now_ms() > names.directory.erased_at + SHORT_MS)
    roll(names, SHORT_MS, SECONDS)
    assert is_rolled(names.directory, SHORT_MS)
    end = names.read_up_to
    roll(names, SHORT_MS, SECONDS)
    assert names.read_up_to == end
    eventually(lambda: not holding(files, USER))
    assert holding(files, OTHER_USER)


def test_a_gateway_lets_the_name_go_and_leaves_everybody_else_alone(store: Settings, files: Path):
    with running_gateway(store) as gateway:
        assert gateway.post(ForgetPatron(USER)).json()["state"] == "forgotten"
        eventually(lambda: not holding(files, USER))
        assert not holding(Path(store.data_dir), USER)
    token = directory(store).token_of(OTHER_USER)
    assert loans(store) == {(ISBN, token)}
    assert holding(files, OTHER_USER)
    assert state(add(Names(store), USER, SECONDS)) == "registered"
