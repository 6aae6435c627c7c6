"""The agent writes after each batch when caught up, and once for many batches while it is far behind."""

import asyncio
from math import inf
from typing import Any, cast

import pytest
from faust.types import TP

from eventstore.keys import event_key
from eventstore.table_position import CODEC as POSITION_CODEC
from eventstore.table_position import POSITION_KEY, TablePosition
from foundation.settings import Settings
from inventory.projection import title_row
from projector import agent as agents
from projector.agent import Agent
from projector.batched_faust.batch import Batch
from projector.fold.batch_fold import INVENTORY_PROJECTION
from projector.projection import BadRecord, Projection, Rows
from schemas.codec import CODEC, encode
from schemas.events import BookAdded, CopiesAdded
from schemas.topics import INVENTORY

ISBN = "9780000000002"
NOW = 1_763_900_000_000
LARGE = 1 << 30
ROW_BYTES = 100_000


class Fold:
    """Counts the events of each key; a row takes 100,000 bytes. A key of ``bad`` stops the partition."""

    def __init__(self, read: Any) -> None:
        self.rows: dict[bytes, int] = {}
        self.older: dict[bytes, int] = {}
        self.changed: dict[bytes, bytes] = {}
        self.counted = 0
        """Changed rows, and the events since they were counted, each as if it had changed another row."""

    def add(self, records: Any) -> BadRecord | None:
        for offset, key, _ in records:
            if key == b"bad":
                return BadRecord(offset, ValueError("no key"))
            if key == b"gap":
                raise ValueError("a gap")
            self.rows[key] = self.rows.get(key, self.older.pop(key, 0)) + 1
            self.changed[key] = b"%d" % self.rows[key]
            self.counted += 1
        return None

    def take(self) -> Rows:
        rows, self.changed, self.counted = self.changed, {}, 0
        return rows.items()

    @property
    def memory(self) -> int:
        return ROW_BYTES * len(self.rows)

    @property
    def unwritten(self) -> int:
        return ROW_BYTES * self.counted

    def measure(self, enough: float = inf) -> None:
        self.counted = len(self.changed)

    def forget(self) -> None:
        self.older, self.rows = self.rows, {}

    def forget_older(self) -> None:
        self.older = {}

    def replace(self, stream: bytes, row: bytes) -> None:
        raise AssertionError("it never raises Discontinuous")


class Store:
    """The rows on disk."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def read(self, partition: int, key: bytes) -> bytes | None:
        return self.rows.get(key)


class Fakes:
    """What the agent calls: an app with consumer and metrics, and a table that records what it writes."""

    def __init__(self) -> None:
        self.consumer = self
        self.far_behind = True
        self.halted: list[TP] = []
        self.written: list[tuple[int, int, dict[bytes, bytes]]] = []
        self.crashed: list[BaseException] = []
        self.store = Store()
        self.partitions = 1

    def assigned(self) -> list[TP]:
        return [TP("events", number) for number in range(self.partitions)]

    def is_far_behind(self, tp: TP, offset: int) -> bool:
        return self.far_behind

    def halt(self, tp: TP) -> None:
        self.halted.append(tp)

    async def write(self, batches: Any, rows: Rows) -> int:
        self.written.append((batches[0].begin, batches[-1].next, dict(rows)))
        for batch in batches:
            batch.done = True
        return sum(len(row) for _, row in rows)

    async def crash(self, error: BaseException) -> None:
        self.crashed.append(error)

    def batch(self, events: int, seconds: float) -> None:
        pass

    def rows(self, rows: int) -> None:
        pass


def batch(begin: int, *keys: bytes, partition: int = 0) -> Batch:
    """Records from ``begin`` on."""
    records = [(offset, key, b"") for offset, key in enumerate(keys, begin)]
    return Batch(records, TP("events", partition), begin, begin + len(keys))


def run(fakes: Any, *batches: Batch, memory_bytes: int = LARGE) -> Agent:
    """Let a new agent fold the batches."""
    settings = Settings(projector_memory=memory_bytes)
    agent = Agent(settings, fakes, fakes, Projection(INVENTORY, Fold, CODEC), fakes)

    feed(agent, *batches)
    return agent


def feed(agent: Agent, *batches: Batch) -> None:
    """Let the agent fold the batches, as they arrive one after the other."""

    async def stream() -> Any:
        for one in batches:
            yield one
            await agent.settle()

    asyncio.run(agent.run(stream()))


def test_a_caught_up_partition_is_written_after_each_batch():
    fakes = Fakes()
    fakes.far_behind = False
    run(fakes, batch(0, b"a", b"b"), batch(2, b"a"))
    assert fakes.written == [(0, 2, {b"a": b"1", b"b": b"1"}), (2, 3, {b"a": b"2"})]


def test_a_row_is_written_once_for_many_batches_while_the_partition_is_far_behind():
    fakes = Fakes()
    batches = [batch(0, b"a", b"b"), batch(2, b"a"), batch(3, b"a", b"c")]
    agent = run(fakes, *batches[:2])
    assert fakes.written == []
    assert not any(one.done for one in batches)
    fakes.far_behind = False
    feed(agent, batches[2])
    assert fakes.written == [(0, 5, {b"a": b"3", b"b": b"1", b"c": b"1"})]
    assert all(one.done for one in batches)


def test_waiting_batches_do_not_keep_their_records():
    first = batch(0, b"a")
    run(Fakes(), first)
    assert list(first) == []


def test_the_largest_partition_is_written_when_the_rows_take_too_much_memory():
    fakes = Fakes()
    # Two generations of five rows
    run(
        fakes,
        batch(0, b"a", partition=1),
        batch(0, *(b"%d" % n for n in range(3))),
        batch(3, b"x", b"y"),
        memory_bytes=10 * ROW_BYTES,
    )
    assert [(begin, following, len(rows)) for begin, following, rows in fakes.written] == [(0, 5, 5)]


def rows_in_memory(agent: Agent) -> list[int]:
    """Of each partition, in both generations."""
    folds: list[Any] = [partition.fold for partition in agent._partitions.values()]
    return [len(fold.rows) + len(fold.older) for fold in folds]


def test_rows_of_all_generations_and_partitions_stay_within_the_memory():
    rows = [b"%d" % n for n in range(6)]
    batches = [batch(0, *rows, partition=n) for n in range(4)]
    agent = run(Fakes(), *batches, memory_bytes=11 * ROW_BYTES)
    # As many as one generation may have, and one more that made it too large
    assert rows_in_memory(agent) == [0, 0, 0, 6]
    feed(agent, batch(6, b"a", b"b", b"c"))
    assert rows_in_memory(agent) == [3, 0, 0, 6]
    feed(agent, batch(9, b"d", b"e", b"f"))
    assert rows_in_memory(agent) == [6, 0, 0, 0]


def test_a_partition_that_has_caught_up_keeps_recent_rows_and_no_older_ones():
    fakes = Fakes()
    # It may keep a sixteenth of a generation
    agent = run(fakes, batch(0, *(b"%d" % n for n in range(17))), memory_bytes=32 * ROW_BYTES)
    assert rows_in_memory(agent) == [17]
    fakes.far_behind = False
    feed(agent, batch(17, b"a"))
    assert rows_in_memory(agent) == [1]


def test_the_first_partition_that_has_caught_up_leaves_the_others_their_share():
    fakes = Fakes()
    fakes.partitions, fakes.far_behind = 4, False
    agent = run(fakes, batch(0, b"a", b"b", b"c"), memory_bytes=32 * 4 * ROW_BYTES)
    assert rows_in_memory(agent) == [0]


def test_rows_are_written_when_a_transaction_has_enough(monkeypatch):
    monkeypatch.setattr(agents, "WRITE_BYTES", 2 * ROW_BYTES)
    fakes = Fakes()
    run(fakes, batch(0, b"a", b"b", b"c"), batch(3, b"d"))
    assert [(begin, following) for begin, following, _ in fakes.written] == [(0, 3)]


def test_rows_that_change_again_and_again_are_counted_once(monkeypatch):
    monkeypatch.setattr(agents, "WRITE_BYTES", 4 * ROW_BYTES)
    fakes = Fakes()
    agent = run(fakes, *(batch(n, b"a") for n in range(20)))
    assert fakes.written == []
    feed(agent, batch(20, b"b", b"c", b"d", b"e"))
    assert [(begin, following, len(rows)) for begin, following, rows in fakes.written] == [(0, 24, 5)]


@pytest.mark.parametrize("limit", ["UNWRITTEN_MAX_S", "IDLE_MAX_S"])
def test_rows_that_waited_long_enough_are_written_without_another_batch(monkeypatch, limit):
    fakes = Fakes()
    agent = run(fakes, batch(0, b"a"))
    asyncio.run(agent.write_due())
    assert fakes.written == []
    monkeypatch.setattr(agents, limit, -1.0)
    asyncio.run(agent.write_due())
    assert fakes.written == [(0, 1, {b"a": b"1"})]
    asyncio.run(agent.write_due())
    assert len(fakes.written) == 1


def test_rows_up_to_a_bad_record_are_written_before_the_partition_stops():
    fakes = Fakes()
    run(fakes, batch(0, b"a"), batch(1, b"b", b"bad", b"c"))
    assert fakes.written == [(0, 2, {b"a": b"1", b"b": b"1"})]
    assert fakes.halted == [TP("events", 0)]


def test_a_rebalance_discards_what_is_not_written():
    fakes = Fakes()
    agent = run(fakes, batch(0, b"a"))
    asyncio.run(agent.forget())
    feed(agent, batch(0, b"b"))
    fakes.far_behind = False
    feed(agent, batch(1, b"c"))
    assert fakes.written == [(0, 2, {b"b": b"1", b"c": b"1"})]


def test_nothing_is_written_after_an_error():
    fakes = Fakes()
    with pytest.raises(ValueError, match="a gap"):
        run(fakes, batch(0, b"a"), batch(1, b"b", b"gap"))
    assert len(fakes.crashed) == 1
    assert fakes.written == []


@pytest.mark.parametrize("slice_events", [1, 3, 2000])
def test_a_row_is_computed_anew_while_rows_of_earlier_batches_wait(monkeypatch, slice_events):
    """Another program wrote version 1 of a title again, and the partition is far behind."""
    monkeypatch.setattr(agents, "SLICE_EVENTS", slice_events)
    other = "9780000000019"
    log = [
        (0, event_key(ISBN, 1), encode(BookAdded(ISBN, "first", "a", 9, NOW))),
        (1, event_key(other, 1), encode(BookAdded(other, "other", "b", 2, NOW))),
        (2, event_key(ISBN, 2), encode(CopiesAdded(ISBN, 1, NOW))),
        (3, event_key(other, 2), encode(CopiesAdded(other, 1, NOW))),
        (4, event_key(ISBN, 1), encode(BookAdded(ISBN, "again", "a", 1, NOW))),
        (5, event_key(other, 3), encode(CopiesAdded(other, 1, NOW))),
        (6, event_key(ISBN, 3), encode(CopiesAdded(ISBN, 1, NOW))),
        (7, event_key(other, 4), encode(CopiesAdded(other, 1, NOW))),
    ]
    monkeypatch.setattr(Agent, "_log", lambda self, partition, end: iter(log[:end]))
    fakes = Fakes()
    fakes.store.rows[POSITION_KEY] = POSITION_CODEC.encode(TablePosition("here", 0))
    stand_in = cast(Any, fakes)
    agent = Agent(Settings(projector_memory=LARGE), stand_in, stand_in, INVENTORY_PROJECTION, stand_in)
    for begin, end in ((0, 2), (2, 7), (7, 8)):
        fakes.far_behind = end < len(log)
        feed(agent, Batch(log[begin:end], TP("events", 0), begin, end))
    rows = {isbn.encode(): encode(title_row(isbn, log)) for isbn in (ISBN, other)}
    assert fakes.written == [(0, 8, rows)]


class SlowTable(Fakes):
    """Writes of partition 0 last until ``gate`` is open. Nothing is far behind."""

    def __init__(self) -> None:
        super().__init__()
        self.far_behind = False
        self.gate = asyncio.Event()
        self.begun = 0

    async def write(self, batches: Any, rows: Rows) -> int:
        self.begun += 1
        if batches[0].tp.partition == 0:
            await self.gate.wait()
        return await super().write(batches, rows)


async def arrive(agent: Agent, *batches: Batch) -> None:
    """Let batches arrive together, and the agent work on them as far as it can."""

    async def stream() -> Any:
        for one in batches:
            yield one
        await asyncio.Event().wait()

    running = asyncio.ensure_future(agent.run(cast(Any, stream())))
    for _ in range(50):
        await asyncio.sleep(0)
    running.cancel()


def slow() -> tuple[Agent, SlowTable]:
    fakes: Any = SlowTable()
    return Agent(Settings(), fakes, fakes, Projection(INVENTORY, Fold, CODEC), fakes), fakes


def test_a_partition_is_written_while_the_write_of_another_one_lasts():
    async def scenario() -> None:
        agent, fakes = slow()
        await arrive(agent, batch(0, b"a"), batch(0, b"b", partition=1))
        assert fakes.written == [(0, 1, {b"b": b"1"})]
        fakes.gate.set()
        await agent.settle()
        assert fakes.written[1:] == [(0, 1, {b"a": b"1"})]

    asyncio.run(scenario())


def test_batches_that_arrive_during_a_write_share_the_next_one():
    async def scenario() -> None:
        agent, fakes = slow()
        await arrive(agent, batch(0, b"a"))
        await arrive(agent, batch(1, b"a"), batch(2, b"b"))
        assert fakes.begun == 1
        fakes.gate.set()
        await agent.settle()
        assert fakes.written == [(0, 1, {b"a": b"1"}), (1, 3, {b"a": b"2", b"b": b"1"})]

    asyncio.run(scenario())


def test_a_rebalance_waits_for_the_writes_that_are_under_way():
    async def scenario() -> None:
        agent, fakes = slow()
        first = batch(0, b"a")
        await arrive(agent, first)
        forgetting = asyncio.ensure_future(agent.forget())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not forgetting.done()
        fakes.gate.set()
        await forgetting
        assert first.done

    asyncio.run(scenario())


def test_a_partition_is_not_read_on_while_many_of_its_events_wait(monkeypatch):
    monkeypatch.setattr(agents, "WAITING_EVENTS", 1)

    async def scenario() -> None:
        agent, fakes = slow()
        await arrive(agent, *(batch(2 * n, b"a", b"b") for n in range(4)))
        # One is being written, one waits; the others are left where they are
        fakes.gate.set()
        await agent.settle()
        assert [following for _, following, _ in fakes.written] == [2, 4]

    asyncio.run(scenario())


def test_batches_after_a_bad_record_are_dropped():
    fakes = Fakes()
    agent = run(fakes, batch(0, b"a", b"bad"))
    feed(agent, batch(2, b"b"))
    assert fakes.written == [(0, 1, {b"a": b"1"})]
