"""A write state over a base that is counted here: what is read from it, and when."""

from collections.abc import Collection

from eventstore.append.batch import decide_batch
from eventstore.state.outcomes import Accepted, Appended, digest
from eventstore.state.write_state import (
    AcceptedCommand,
    Checkpoint,
    LastEvent,
    Overlay,
    StreamState,
    WriteState,
)
from inventory.commands import AddCopies, BorrowBook
from inventory.domain import library
from inventory.rules import Title
from tests.support.producer.writer_calls import ISBN, OTHER, command, refused

LIBRARY = library(21, "UTC")
AT = 1_700_000_000_000
LAST = LastEvent(5, b"9781593275846/1", "first/0", AT)
TITLE = Title(True, False, "Elixir in Action", "Sasa Juric", 3)


class Base:
    """An earlier state in memory; ``reads`` has the streams and command ids of each read."""

    def __init__(self, held: Overlay) -> None:
        self.held = held
        self.reads: list[tuple[set[str], set[str]]] = []

    def read(self, streams: Collection[str], command_ids: Collection[str], upto: int) -> Overlay:
        self.reads.append((set(streams), set(command_ids)))
        assert upto == 7
        return Overlay(
            {one: self.held.streams[one] for one in streams if one in self.held.streams},
            {one: self.held.accepted[one] for one in command_ids if one in self.held.accepted},
        )


def over(base: Base) -> WriteState:
    return WriteState(LIBRARY, base, Checkpoint(7, LAST, AT))


def test_a_batch_reads_its_base_once():
    first = AcceptedCommand(
        ISBN, digest(command(AddCopies(ISBN, 1)).command), (Appended("CopiesAdded", 2),), 5
    )
    base = Base(Overlay({ISBN: StreamState(TITLE, 2)}, {"first": (first,)}))
    commands = [
        command(AddCopies(ISBN, 1), "first"),
        command(AddCopies(ISBN, 2), "second"),
        command(BorrowBook(OTHER, "ann"), "third"),
        command(BorrowBook(ISBN, "ann"), "fourth"),
    ]
    done = decide_batch(LIBRARY, over(base), 3, commands, AT)
    assert done.outcomes[0] == Accepted(first.receipt("first", 3), replayed=True)
    assert [record.key for record in done.records] == [b"9781593275846/3", b"9781593275846/4"]
    assert refused(done.outcomes[2]) == "unknown_title"
    assert base.reads == [({ISBN, OTHER}, {"first", "second", "third", "fourth"})]


def test_a_stream_that_is_newer_in_memory_is_not_read():
    base = Base(Overlay({}, {}))
    state = over(base)
    state.streams[ISBN] = StreamState(TITLE, 3)
    state.prepare([ISBN, OTHER], [])
    assert base.reads == [({OTHER}, set())]
    assert state.stream(ISBN).version == 3


def test_a_saved_change_replaces_what_was_read_before_it():
    base = Base(Overlay({ISBN: StreamState(TITLE, 1)}, {}))
    state = over(base)
    state.prepare([ISBN], ["second"])
    assert state.stream(ISBN).version == 1
    second = (AcceptedCommand(ISBN, "", (Appended("CopiesAdded", 2),), 6),)
    state.keep({ISBN: StreamState(TITLE, 2)}, {"second": second}, LAST)
    state.saved(Base(state.freeze()))
    state.next = 7
    assert state.stream(ISBN).version == 2
    assert state.accepted("second") == second
