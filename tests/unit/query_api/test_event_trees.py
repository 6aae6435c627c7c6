import pytest

from evidence.merkle import Tree
from foundation.settings import Settings
from query_api.following import event_trees
from query_api.following.event_trees import EventTrees, StillReading
from tests.support.evidence.signed_records import leaves_of, sample_records

PARTITIONS = 3
RECORDS = sample_records(PARTITIONS, titles=9)


class Message:
    """A record as confluent-kafka hands it out."""

    def __init__(self, record):
        self._record = record

    def offset(self):
        return self._record.offset

    def key(self):
        return self._record.key

    def value(self):
        return self._record.value

    def headers(self):
        return self._record.headers

    def timestamp(self):
        return 1, self._record.timestamp


@pytest.fixture
def reads(monkeypatch):
    """The partition and the first offset of every read."""
    found = []

    def read_partition(settings, topic, partition, start, *, end):
        found.append((partition, start))
        here = (r for r in RECORDS if r.partition == partition and start <= r.offset < end)
        yield from map(Message, here)

    monkeypatch.setattr(event_trees, "read_partition", read_partition)
    return found


def there(partition):
    return [record for record in RECORDS if record.partition == partition]


def test_a_tree_is_read_once_and_continued(reads):
    trees, (one, two, *_) = EventTrees(Settings()), there(1)
    trees.read(1, 2, two.offset + 1)
    found = trees.read(1, len(there(1)), 10_000)
    trees.read(1, len(there(1)), 10_000)
    assert reads == [(1, 0), (1, two.offset + 1)]
    assert found.tree.root() == Tree(leaves_of(RECORDS, 1)).root()
    assert [found.index(record.offset) for record in there(1)] == list(range(len(there(1))))
    with pytest.raises(KeyError):
        # The marker of a transaction
        found.index(one.offset + 1)


def test_a_read_that_takes_too_long_is_continued_by_the_next_one(reads, monkeypatch):
    monkeypatch.setattr(event_trees, "READ_LIMIT_S", -1.0)
    trees, size = EventTrees(Settings()), len(there(1))
    for left in range(size):
        with pytest.raises(StillReading, match=f"{left + 1} of {size} events"):
            trees.read(1, size, 10_000)
    assert trees.read(1, size, 10_000).tree.root() == Tree(leaves_of(RECORDS, 1)).root()


def test_trees_that_were_not_asked_for_lately_are_forgotten(reads, monkeypatch):
    monkeypatch.setattr(event_trees, "MAX_EVENTS", len(RECORDS) - 1)
    trees = EventTrees(Settings())
    for partition in (0, 1, 0, 2, 0, 1):
        trees.read(partition, len(there(partition)), 10_000)
    assert [partition for partition, _ in reads] == [0, 1, 2, 1]
