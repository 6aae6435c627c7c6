"""What the notary does not sign, on a real broker."""

import logging
from collections.abc import Callable
from threading import Event, Thread

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from notary.folder import CheckpointFile
from notary.follower import Follower
from notary.refusal import Refused
from tests.support.deleted_records import END, delete_before
from tests.support.library.event_writer import write_events
from tests.support.notary_runs import (
    add_titles,
    checkpoints,
    folder_of,
    leaves,
    make_anew,
    notarise,
    produce_outside,
    rebind,
    signer_of,
    title,
)
from tests.support.steady_writes import steady_writes
from tests.support.waiting import eventually


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """One partition with ten events, all of them signed."""
    settings = new_settings(partitions=1)
    add_titles(settings, range(10))
    assert notarise(settings).refused == []
    assert [one.size for one in checkpoints(settings)] == [10]
    return settings


def refusal(settings: Settings, caplog: pytest.LogCaptureFixture, signed: int = 10) -> str:
    """The reason with which the notary refuses the partition, now and after another start."""
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "notary"):
            assert notarise(settings).refused == [0]
        assert checkpoints(settings)[-1].size == signed
    return caplog.messages[-1]


def sign_as_well(settings: Settings, size: int) -> None:
    """Append a checkpoint of other events, signed by the notary's key."""
    forged = replace(checkpoints(settings)[-1], size=size, root=b"\0" * 32)
    file = CheckpointFile(folder_of(settings))
    file.append(forged.signed([signer_of(settings)]))
    file.close()


def test_a_partition_that_became_shorter(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    make_anew(settings)
    add_titles(settings, range(7))
    rebind(settings)
    assert "(shorter): partition 0 ends at offset 8, but an event at offset 9" in refusal(settings, caplog)


def test_fewer_events_than_were_signed(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    sign_as_well(settings, 15)
    assert "(shorter): partition 0 has 10 events, but 15 were signed" in refusal(settings, caplog, 15)


def test_fewer_events_than_were_signed_where_events_are_written_all_the_time(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    sign_as_well(settings, 1_000_000)
    with steady_writes(settings):
        assert "but 1000000 were signed" in refusal(settings, caplog, 1_000_000)


def test_another_last_event(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    make_anew(settings)
    write_events(settings, [*(title(number) for number in range(9)), title(9, words="Another")])
    rebind(settings)
    assert "(changed): leaf 9 of partition 0, the event at offset 9" in refusal(settings, caplog)


def test_another_event_where_the_state_is_lost(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    make_anew(settings)
    write_events(settings, [title(0), title(1, words="Another"), *map(title, range(2, 12))])
    rebind(settings)
    (folder_of(settings) / "state-0").unlink()
    assert "(changed): leaf 1 of partition 0 was read before at offset 1" in refusal(settings, caplog)


def test_events_that_are_not_those_that_were_signed(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    add_titles(settings, range(10, 20))
    sign_as_well(settings, 15)
    assert "(other_root): the first 15 events of partition 0" in refusal(settings, caplog, 15)


def test_a_key_that_occurs_twice(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    write_events(settings, [title(10), title(3, words="Again"), title(11)])
    assert "(repeated_key): offset 12 of partition 0 has key" in refusal(settings, caplog)
    # The event before it is kept, and not signed
    assert len(leaves(settings)) == 11


def test_a_gap_in_the_versions(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    write_events(settings, [title(3, version=3)])
    assert "(version_gap): offset 11" in refusal(settings, caplog)


def test_a_record_that_is_no_event(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    producer = Producer(client_config(settings) | {"transactional.id": f"{settings.name}-foreign"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(events_topic(settings), b"value", b"no key of an event", 0)
    producer.commit_transaction(20)
    assert "(no_event): offset 11" in refusal(settings, caplog)


@pytest.mark.parametrize("followed", [False, True], ids=["the last one", "followed by a transaction"])
def test_a_record_outside_a_transaction(
    settings: Settings, caplog: pytest.LogCaptureFixture, followed: bool
) -> None:
    produce_outside(settings, 10)
    if followed:
        add_titles(settings, range(11, 14))
    assert "(no_transaction): the record at offset 11" in refusal(settings, caplog)


def test_aborted_records_are_no_events(settings: Settings) -> None:
    write_events(settings, [title(3), title(4)], then="abort")
    add_titles(settings, range(10, 12))
    assert notarise(settings).refused == []
    assert checkpoints(settings)[-1].size == 12


def test_a_topic_that_was_made_anew(settings: Settings) -> None:
    make_anew(settings)
    add_titles(settings, range(12))
    with pytest.raises(Refused, match=r"made anew, or restored"):
        notarise(settings)


def test_a_topic_that_is_made_anew_while_the_notary_runs(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(settings, folder_of(settings), [signer_of(settings)], None)
    stop, ready = Event(), Event()
    thread = Thread(target=follower.run, args=(stop, False, ready.set))
    thread.start()
    try:
        assert ready.wait(60)
        with caplog.at_level(logging.ERROR, "notary"):
            make_anew(settings)
            add_titles(settings, range(20))

            def refused() -> bool:
                follower.sign()
                return follower.refused == [0]

            eventually(refused, pause=0.2)
        assert any("(other_store)" in message for message in caplog.messages)
    finally:
        stop.set()
        thread.join()
        follower.close()
    assert [one.size for one in checkpoints(settings)] == [10]


def test_other_partitions_are_signed_where_one_has_lost_its_first_events(
    new_settings: Callable[..., Settings],
) -> None:
    settings = new_settings(partitions=3)
    add_titles(settings, range(30))
    assert notarise(settings).refused == []
    delete_before(settings, events_topic(settings), END, [0])
    add_titles(settings, range(30, 60))
    after = notarise(settings)
    assert after.refused == [0]
    sizes = {one.origin.rpartition("/")[2]: one.size for one in checkpoints(settings)}
    assert sizes["1"] + sizes["2"] == after.events[1] + after.events[2] > 30


def test_other_partitions_are_signed_all_the_same(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(partitions=3)
    add_titles(settings, range(30))
    before = notarise(settings)
    assert before.refused == []
    add_titles(settings, range(30, 60))
    produce_outside(settings, 100)
    after = notarise(settings)
    assert after.refused == [0]
    sizes = {one.origin.rpartition("/")[2]: one.size for one in checkpoints(settings)}
    assert sizes == {"0": before.events[0], "1": after.events[1], "2": after.events[2]}
    assert after.events[1] + after.events[2] > before.events[1] + before.events[2]
