"""Batches of a consumer group, with a consumer that assigns and takes away partitions when it is told to."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from eventstore import subscription
from eventstore.keys import event_key
from eventstore.reader import Batch, OffsetsGone, Reader, Unreadable
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import BookAdded, Event
from schemas.records import EVENTS

TITLES = ("9781593275846", "9781680502992")
"""One for each partition."""
LONG_S = 3600.0


class Fetched:
    """A record, or an error in its place."""

    def __init__(
        self, partition: int, offset: int, value: bytes | None = None, code: int | None = None
    ) -> None:
        self._place = partition, offset
        self._value = value
        self._error = None if code is None else KafkaError(code)

    def partition(self) -> int:
        return self._place[0]

    def offset(self) -> int:
        return self._place[1]

    def key(self) -> bytes:
        return event_key(TITLES[self._place[0]], self._place[1] + 1)

    def value(self) -> bytes:
        isbn = TITLES[self._place[0]]
        return encode(BookAdded(isbn, "Title", "Author", 1, 1_000)) if self._value is None else self._value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return [("command_id", b"id")]

    def error(self) -> KafkaError | None:
        return self._error


def end(partition: int, offset: int) -> Fetched:
    return Fetched(partition, offset, code=KafkaError._PARTITION_EOF)


class ScriptedConsumer:
    """Each ``consume`` returns the next list of the script; functions before it are called."""

    script: list[Any]
    committed_offsets: dict[int, int]

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.commits: list[dict[int, int]] = []
        self.assigned: dict[int, int] = {}
        self.closed = False
        type(self).last = self

    last: "ScriptedConsumer"

    def list_topics(self, topic: str, timeout: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None, 1: None})})

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        self.topic, self.callbacks = topics[0], callbacks

    def assign(self, places: list[TopicPartition]) -> None:
        self.incremental_assign(places)

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.assigned |= {place.partition: place.offset for place in places}

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for place in places:
            del self.assigned[place.partition]

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [
            TopicPartition(p.topic, p.partition, self.committed_offsets.get(p.partition, OFFSET_INVALID))
            for p in places
        ]

    def offsets_for_times(self, places: list[TopicPartition], timeout: float) -> list[Any]:
        self.asked = [place.offset for place in places]
        self.woken = [place.partition for place in places], dict(self.assigned)
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return [
            SimpleNamespace(topic=p.topic, partition=p.partition, offset=-1, error=self.error) for p in places
        ]

    error: KafkaError | None = None
    away = False

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.commits.append({place.partition: place.offset for place in offsets})

    def get_watermark_offsets(
        self, place: TopicPartition, timeout: float = 0.0, cached: bool = False
    ) -> tuple[int, int]:
        if cached:
            return OFFSET_INVALID, OFFSET_INVALID
        return 0, 20

    def consume(self, limit: int, wait_s: float) -> list[Fetched]:
        step = self.script.pop(0) if self.script else []
        if callable(step):
            step(self)
            return self.consume(limit, wait_s)
        # What does not fit stays for the next call
        if len(step) > limit:
            self.script.insert(0, step[limit:])
        return step[:limit]

    def resume(self, places: list[TopicPartition]) -> None:
        self.resumed = [place.partition for place in places]

    def close(self) -> None:
        self.closed = True


def assign(*partitions: int) -> Callable[[ScriptedConsumer], None]:
    return _callback("on_assign", partitions)


def revoke(*partitions: int) -> Callable[[ScriptedConsumer], None]:
    return _callback("on_revoke", partitions)


def lose(*partitions: int) -> Callable[[ScriptedConsumer], None]:
    return _callback("on_lost", partitions)


def _callback(name: str, partitions: tuple[int, ...]) -> Callable[[ScriptedConsumer], None]:
    def call(consumer: ScriptedConsumer) -> None:
        places = [TopicPartition(consumer.topic, partition) for partition in partitions]
        consumer.callbacks[name](consumer, places)

    return call


Script = Callable[..., Reader[Event]]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Open a reader of group g whose consumer follows the script."""
    opened: list[Reader[Event]] = []

    def open_scripted(
        *script: Any, committed: dict[int, int] | None = None, group: str | None = "g", **more: Any
    ) -> Reader[Event]:
        monkeypatch.setattr(ScriptedConsumer, "script", list(script), raising=False)
        monkeypatch.setattr(ScriptedConsumer, "committed_offsets", committed or {}, raising=False)
        monkeypatch.setattr(subscription, "Consumer", ScriptedConsumer)
        reader = Reader(Settings(deadline=0.5), EVENTS, group, **more)
        opened.append(reader.__enter__())
        return reader

    yield open_scripted
    for reader in opened:
        reader.__exit__(None, None, None)
    assert ScriptedConsumer.last.closed


def places(batch: Batch[Event]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for record in batch]


def test_a_batch_is_committed_once_when_its_block_has_ended(scripted: Script) -> None:
    reader = scripted(
        assign(0, 1), [Fetched(0, 0), Fetched(1, 0), Fetched(0, 1)], [], [Fetched(0, 2), end(0, 3), end(1, 1)]
    )
    batches = reader.batches(max_records=3)
    assert places(next(batches)) == [(0, 0), (1, 0), (0, 1)]
    assert ScriptedConsumer.last.commits == []
    assert places(next(batches)) == [(0, 2)]
    assert ScriptedConsumer.last.commits == [{0: 2, 1: 1}]
    assert list(batches) == []
    assert ScriptedConsumer.last.commits == [{0: 2, 1: 1}, {0: 3, 1: 1}]


def test_a_partition_that_goes_on_after_its_end_has_not_ended(scripted: Script) -> None:
    reader = scripted(assign(0), [Fetched(0, 0), end(0, 1)], [Fetched(0, 1)], [], [Fetched(0, 2), end(0, 3)])
    batches = reader.batches(follow=True, max_interval_s=LONG_S)
    assert places(next(batches)) == [(0, 0)]
    assert places(next(batches)) == [(0, 1), (0, 2)]


@pytest.mark.parametrize("start", [-1, -2, -62135596800000])
def test_a_time_before_1970_is_no_place_that_kafka_knows_by_a_negative_number(
    scripted: Script, start: int
) -> None:
    next(iter(scripted(assign(0, 1), [end(0, 20), end(1, 20)], start=start)), None)
    assert ScriptedConsumer.last.asked == [0, 0]


def test_a_partition_whose_start_is_unknown_is_not_read_from_its_end(
    scripted: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedConsumer, "error", KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
    with pytest.raises(KafkaException):
        next(iter(scripted(assign(0), [end(0, 20)], start=1000)), None)


def test_a_batch_whose_block_failed_is_not_committed(scripted: Script) -> None:
    reader = scripted(assign(0), [Fetched(0, 0), end(0, 1)])

    def fail() -> None:
        for _ in reader.batches():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    reader.__exit__(None, None, None)
    assert ScriptedConsumer.last.commits == []


def test_records_of_several_fetches_make_one_batch_until_its_time_is_over(scripted: Script) -> None:
    fetches: list[list[Fetched]] = [[Fetched(0, 0)], [], [Fetched(0, 1)], [end(0, 2)]]
    (batch,) = scripted(assign(0), *fetches).batches(max_interval_s=LONG_S)
    assert places(batch) == [(0, 0), (0, 1)]
    first, second = scripted(assign(0), *fetches).batches(max_interval_s=0)
    assert (places(first), places(second)) == ([(0, 0)], [(0, 1)])


def test_a_reader_that_follows_hands_out_the_newest_event_at_once(scripted: Script) -> None:
    reader = scripted(assign(0), [end(0, 0)], [], [Fetched(0, 0), end(0, 1)])
    assert places(next(reader.batches(follow=True, max_interval_s=LONG_S))) == [(0, 0)]


@pytest.mark.parametrize("take_away", [revoke, lose])
def test_fetched_records_of_a_partition_that_is_taken_away_are_not_handed_out(
    scripted: Script, take_away: Callable[[int], Any]
) -> None:
    reader = scripted(
        assign(0, 1), [Fetched(0, 0), Fetched(1, 0)], [], take_away(0), [Fetched(1, 1), end(1, 2)]
    )
    (batch,) = reader.batches(max_interval_s=LONG_S)
    assert places(batch) == [(1, 0), (1, 1)]
    assert ScriptedConsumer.last.commits == [{1: 2}]


def test_a_partition_that_comes_back_is_read_from_its_committed_offset(scripted: Script) -> None:
    reader = scripted(
        assign(0), [Fetched(0, 0)], [], revoke(0), assign(0), [Fetched(0, 0), Fetched(0, 1), end(0, 2)]
    )
    (batch,) = reader.batches(max_interval_s=LONG_S)
    assert places(batch) == [(0, 0), (0, 1)]


@pytest.mark.parametrize("away", [False, True])
def test_a_reader_goes_on_with_the_partitions_that_it_keeps_at_a_rebalance(
    scripted: Script, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """librdkafka sleeps up to a second, unless it is asked about them after it has resumed them."""
    monkeypatch.setattr(ScriptedConsumer, "away", away)
    reader = scripted(assign(0), [Fetched(0, 0)], [], assign(1), [Fetched(0, 1), end(0, 2), end(1, 0)])
    (batch,) = reader.batches(max_interval_s=LONG_S)
    assert places(batch) == [(0, 0), (0, 1)]
    assert ScriptedConsumer.last.woken == ([0], {0: OFFSET_BEGINNING, 1: OFFSET_BEGINNING})


def test_a_partition_that_was_paused_is_fetched_from_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "Consumer", ScriptedConsumer)
    source = subscription.Subscription(Settings(), None, "earliest", None)
    source.open()
    source.resume(1)
    assert (ScriptedConsumer.last.resumed, ScriptedConsumer.last.woken[0]) == ([1], [1])
    source.close()


def test_single_events_of_a_partition_that_is_taken_away_during_a_fetch_are_not_handed_out(
    scripted: Script,
) -> None:
    reader = scripted(assign(0, 1), [Fetched(0, 0)], revoke(0), [Fetched(1, 0), end(1, 1)])
    assert [(record.partition, record.offset) for record in reader] == [(1, 0)]
    assert ScriptedConsumer.last.commits == [{1: 1}]


def test_a_commit_that_fails_later_ends_the_reader(scripted: Script) -> None:
    def refuse(consumer: ScriptedConsumer) -> None:
        consumer.config["on_commit"](KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED), [])

    batches = scripted(assign(0), [Fetched(0, 0)], refuse, [Fetched(0, 1)]).batches(max_records=1)
    assert places(next(batches)) == [(0, 0)]
    with pytest.raises(KafkaException):
        next(batches)


def test_offsets_whose_commit_failed_are_in_the_next_commit(
    scripted: Script, caplog: pytest.LogCaptureFixture
) -> None:
    def forget(consumer: ScriptedConsumer) -> None:
        consumer.config["on_commit"](KafkaError(KafkaError.STALE_MEMBER_EPOCH), [])

    script = assign(0, 1), [Fetched(0, 0)], forget, [Fetched(1, 0)], revoke(0), [end(1, 1)]
    batches = scripted(*script).batches(max_records=1)
    assert [places(batch) for batch in batches] == [[(0, 0)], [(1, 0)]]
    # The third is that of the revocation
    assert ScriptedConsumer.last.commits == [{0: 1}, {0: 1, 1: 1}, {0: 1, 1: 1}]
    assert "could not be committed" in caplog.text


def test_a_batch_has_the_offsets_before_and_after_it(scripted: Script) -> None:
    reader = scripted(
        assign(0, 1), [Fetched(0, 7), Fetched(1, 0)], [], [Fetched(0, 9), end(0, 10), end(1, 1)],
        committed={0: 7},
    )  # fmt: skip
    found = [(batch.starts, batch.ends) for batch in reader.batches(max_interval_s=0)]
    assert found == [({0: 7, 1: 0}, {0: 8, 1: 1}), ({0: 8}, {0: 10})]


def test_a_batch_starts_where_the_last_one_ended_though_unreadable_records_are_between(
    scripted: Script,
) -> None:
    found: list[Unreadable] = []
    junk = Fetched(0, 1, b"junk")
    reader = scripted(
        assign(0), [Fetched(0, 0)], [], [junk], [], [Fetched(0, 2), end(0, 3)], report=found.append
    )
    offsets = [(batch.starts, batch.ends) for batch in reader.batches(max_interval_s=0)]
    assert offsets == [({0: 0}, {0: 1}), ({0: 1}, {0: 3})]
    assert [unreadable.offset for unreadable in found] == [1]
    assert {0: 2} in ScriptedConsumer.last.commits


def test_offsets_that_the_caller_stores_replace_those_that_the_group_committed(scripted: Script) -> None:
    reader = scripted(assign(0, 1), [end(0, 5), end(1, 0)], committed={0: 9, 1: 9}, stored=lambda: {0: 5})
    assert list(reader.batches()) == []
    assert ScriptedConsumer.last.assigned == {0: 5, 1: OFFSET_BEGINNING}


def test_a_reader_without_a_group_continues_at_the_offsets_that_the_caller_stores(scripted: Script) -> None:
    reader = scripted([Fetched(0, 5), end(0, 6), end(1, 0)], group=None, stored=lambda: {0: 5})
    (batch,) = reader.batches()
    assert ScriptedConsumer.last.assigned == {0: 5, 1: OFFSET_BEGINNING}
    assert (batch.starts, batch.ends) == ({0: 5}, {0: 6})


def test_a_group_beyond_the_end_of_the_event_store_is_an_error_that_says_what_to_do(
    scripted: Script,
) -> None:
    gone = Fetched(1, 500, code=KafkaError._AUTO_OFFSET_RESET)
    reader = scripted(assign(0, 1), [gone], committed={1: 500})
    with pytest.raises(
        OffsetsGone,
        match=r"offset 500 of partition 1.* 0 up to 20 .*`library replay --group g --to-beginning`",
    ):
        list(reader.batches())
