"""Records that another program wrote: of each version the first counts, and a title with a gap is held."""

import pytest

from eventstore.keys import event_key
from eventstore.table_position import CODEC as POSITION_CODEC
from eventstore.table_position import POSITION_KEY, TablePosition
from inventory.projection import title_row
from inventory.row_fold import fold
from projector.fold.batch_fold import PartitionFold
from projector.projection import Discontinuous
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned

ISBN = "9780000000002"
NOW = 1_763_900_000_000


@pytest.mark.parametrize(
    "event",
    [BookReturned(ISBN, "ann", NOW), BookAdded(ISBN, "t", "a", 1, NOW)],
    ids=["a return", "a first event"],
)
def test_a_gap_in_versions_asks_for_the_whole_log(event):
    with pytest.raises(Discontinuous, match="version 3 follows 0"):
        PartitionFold(lambda _: None).add([(5, event_key(ISBN, 3), encode(event))])


def test_a_first_event_of_a_stream_that_is_no_title_is_a_bad_record():
    added = encode(BookAdded("no title here", "t", "a", 1, NOW))
    bad = PartitionFold(lambda _: None).add([(5, event_key("no title here", 1), added)])
    assert bad is not None
    assert bad.offset == 5


@pytest.mark.parametrize(("position", "again"), [(5, False), (4, True), (None, False)])
def test_a_version_1_that_comes_again_beyond_the_tables_position_asks_for_the_whole_log(position, again):
    added = encode(BookAdded(ISBN, "t", "a", 10, NOW))
    table = {ISBN.encode(): encode(fold(None, 1, BookAdded(ISBN, "first", "a", 9, NOW)))}
    if position is not None:
        table[POSITION_KEY] = POSITION_CODEC.encode(TablePosition("here", position))
    partition_fold = PartitionFold(table.get)
    if again:
        with pytest.raises(Discontinuous, match="version 1 was written again at offset 4"):
            partition_fold.add([(4, event_key(ISBN, 1), added)])
    else:
        assert partition_fold.add([(4, event_key(ISBN, 1), added)]) is None


def test_of_a_version_in_the_log_twice_the_first_counts_and_a_gap_holds_the_title():
    added, again = BookAdded(ISBN, "first", "a", 9, NOW), BookAdded(ISBN, "again", "b", 1, NOW)
    borrowed = BookBorrowed(ISBN, "ann", NOW, NOW)
    log = [
        (0, event_key(ISBN, 1), encode(added)),
        (1, b"9780000000019/1", b"another title"),
        (2, b"no title", None),
        (3, event_key(ISBN, 1), encode(again)),
        (4, event_key(ISBN, 2), encode(borrowed)),
        (5, event_key(ISBN, 2), encode(BookBorrowed(ISBN, "bob", NOW, NOW))),
    ]
    row = title_row(ISBN, log)
    assert row == fold(fold(None, 1, added), 2, borrowed)
    held = title_row(ISBN, [*log, (6, event_key(ISBN, 4), encode(borrowed))])
    assert held is not None
    assert held.held is not None
    assert (held.version, held.held.version, held.held.offset) == (2, 4, 6)
    assert "version 4 follows 2" in held.held.reason
