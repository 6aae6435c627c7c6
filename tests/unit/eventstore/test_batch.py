"""A batch on a state that is made up here: what is decided, and what the log would get."""

from datetime import UTC

from eventstore.append.batch import Decided, decide_batch
from eventstore.headers import read_headers
from eventstore.state.outcomes import (
    Accepted,
    Appended,
    Receipt,
    Refused,
    Reused,
    Submitted,
    Unwritable,
    digest,
)
from eventstore.state.write_state import AcceptedCommand, Checkpoint, LastEvent, StreamState, WriteState
from evidence.leaf import leaf_data, leaf_hash
from evidence.note import Signer, new_key
from evidence.transaction import HEADER, Place, TransactionCheck, TransactionSigner
from inventory.commands import AddBook, BorrowBook, RemoveBook, ReturnBook
from inventory.domain import library
from inventory.due_dates import due_at
from inventory.rules import Title
from schemas.codec import decode
from schemas.events import BookAdded, BookBorrowed
from tests.support.producer.writer_calls import ADD, ISBN, OTHER, accepted, command, refused

AT = 1_700_000_000_000
DUE = due_at(AT, 21, UTC)
LIBRARY = library(21, "UTC")
LAST = LastEvent(5, b"9781593275846/1", "first/0", AT)


ADDED = Title(True, False, "Elixir in Action", "Sasa Juric", 3)


def holding(title: Title = ADDED, trouble: str = "") -> WriteState:
    """A partition read to offset 7, where the title was added by command ``first``."""
    state = WriteState(LIBRARY, checkpoint=Checkpoint(7, LAST, AT))
    state.streams[ISBN] = StreamState(title, 1, trouble)
    state.added["first"] = (
        AcceptedCommand(ISBN, digest(command(ADD).command), (Appended("BookAdded", 1),), 5),
    )
    return state


def decided(state: WriteState, *commands: Submitted) -> Decided:
    return decide_batch(LIBRARY, state, 3, commands, AT)


def test_an_accepted_command_becomes_a_record_at_the_next_offset():
    done = decided(WriteState(LIBRARY), command(ADD, "first"))
    (record,) = done.records
    leaf = leaf_hash(leaf_data(AT, record.key, record.value, record.headers)).hex()
    assert done.outcomes == [Accepted(Receipt("first", ISBN, (Appended("BookAdded", 1),), "3:0", "", leaf))]
    assert (record.key, record.timestamp) == (b"9781593275846/1", AT)
    assert decode(record.value) == BookAdded(ISBN, "Elixir in Action", "Sasa Juric", 3, AT)
    assert done.last == LastEvent(0, record.key, "first/0", AT)


def test_each_command_is_decided_on_the_state_after_those_before_it():
    done = decided(
        WriteState(LIBRARY), command(ADD), command(BorrowBook(ISBN, "ann")), command(RemoveBook(ISBN))
    )
    assert [accepted(one).receipt.position for one in done.outcomes[:2]] == ["3:0", "3:1"]
    assert refused(done.outcomes[2]) == "on_loan"
    assert decode(done.records[1].value) == BookBorrowed(ISBN, "ann", AT, DUE)


def test_an_uncommitted_batch_does_not_change_the_state():
    state = holding()
    decided(state, command(BorrowBook(ISBN, "ann")))
    assert state.stream(ISBN).state.loans == {}
    assert state.next == 7


def test_a_committed_batch_changes_the_state_and_its_marker_takes_an_offset():
    state = holding()
    done = decided(state, command(BorrowBook(ISBN, "ann"), "second"))
    state.keep(done.streams, done.accepted, done.last)
    assert (state.next, state.last) == (9, LastEvent(7, b"9781593275846/2", "second/0", AT))
    (first,) = done.outcomes
    assert decided(state, command(BorrowBook(ISBN, "ann"), "second")).outcomes == [
        Accepted(accepted(first).receipt, replayed=True)
    ]
    assert accepted(first).receipt.position == "3:7"


def test_a_command_for_a_name_that_is_no_stream_is_refused():
    done = decided(WriteState(LIBRARY), Submitted("first", AddBook("not-an-isbn", "Title")))
    assert refused(done.outcomes[0]) == "bad_stream"
    assert done.records == []


def test_a_repeat_gets_the_first_answer_and_writes_nothing():
    done = decided(holding(Title()), command(ADD, "first"))
    assert done.outcomes == [
        Accepted(Receipt("first", ISBN, (Appended("BookAdded", 1),), "3:5"), replayed=True)
    ]
    assert not done.records
    assert not done.needs_proof


def test_a_repeat_in_the_same_batch_gets_the_first_answer():
    once = command(ADD, "first")
    first, again = decided(WriteState(LIBRARY), once, once).outcomes
    assert (accepted(first).replayed, accepted(again).replayed) == (False, True)
    assert accepted(first).receipt == accepted(again).receipt


def test_a_command_id_with_another_payload_is_refused_as_reused():
    assert decided(holding(), command(ReturnBook(ISBN, "ann"), "first")).outcomes == [Reused("first")]


def test_a_command_id_belongs_to_its_title():
    done = decided(holding(), command(AddBook(OTHER, "Programming Elixir", "Dave Thomas", 1), "first"))
    assert not accepted(done.outcomes[0]).replayed
    assert [one.stream for one in done.accepted["first"]] == [ISBN, OTHER]


def test_the_receipt_names_the_actor_of_the_first_attempt_whoever_repeats_it():
    ann, bob, nobody = (
        Submitted("first", ADD, carried) for carried in ({"actor": "ann"}, {"actor": "bob"}, {})
    )
    outcomes = decided(WriteState(LIBRARY), ann, bob, nobody).outcomes
    assert [accepted(outcome).receipt.actor for outcome in outcomes] == ["ann", "ann", "ann"]
    unsaid, said = decided(WriteState(LIBRARY), nobody, bob).outcomes
    assert [accepted(outcome).receipt.actor for outcome in (unsaid, said)] == ["", ""]


def test_a_receipt_without_events_names_nobody():
    done = decided(holding(), Submitted("second", ADD, {"actor": "ann"}))
    assert accepted(done.outcomes[0]).receipt.actor == ""


def test_an_answer_recovered_from_the_log_is_not_marked_as_a_repeat():
    done = decide_batch(LIBRARY, holding(), 3, [command(ADD, "first")], AT, tried={"first"})
    assert not accepted(done.outcomes[0]).replayed


def test_a_refusal_needs_proof_and_is_not_remembered():
    done = decided(holding(), command(ReturnBook(ISBN, "ann"), "second"))
    assert isinstance(done.outcomes[0], Refused)
    assert (done.needs_proof, done.accepted) == (True, {})


def test_an_unneeded_command_needs_proof_and_reports_the_last_position():
    done = decided(holding(), command(ADD, "second"))
    assert done.outcomes == [Accepted(Receipt("second", ISBN, (), "3:5"))]
    assert (done.needs_proof, done.records) == (True, [])
    borrowed = decided(holding(), command(BorrowBook(OTHER, "ann")), command(ADD), command(ADD, "second"))
    assert accepted(borrowed.outcomes[2]).receipt.position == "3:5"


def test_an_unwritable_title_answers_repeats_and_does_not_block_others():
    state = holding(trouble="upgrade")
    done = decided(
        state, command(BorrowBook(ISBN, "ann")), command(ADD, "first"), command(AddBook(OTHER, "Title"))
    )
    assert done.outcomes[0] == Unwritable("upgrade")
    assert accepted(done.outcomes[1]).replayed
    assert accepted(done.outcomes[2]).receipt.events
    state.trouble = "the partition is unreadable"
    assert decided(state, command(AddBook(OTHER, "Title"))).outcomes == [Unwritable(state.trouble)]


def test_records_carry_the_command_id_and_the_callers_headers():
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    handed = Submitted("first", ADD, {"traceparent": trace})
    (record,) = decided(WriteState(LIBRARY), handed).records
    headers = read_headers(record.headers)
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "first/0",
        "ce_type": "library.inventory.BookAdded",
        "ce_source": "/library/inventory",
        "ce_time": "2023-11-14T22:13:20.000+00:00",
        "content-type": "application/avro",
        "command_id": "first",
        "command_digest": digest(ADD),
        "traceparent": trace,
    }


class SignerOfTwo(TransactionSigner):
    """Its signatures cover two events at most."""

    most_events = 2


def test_signed_records_and_their_receipts_have_the_same_leaves():
    key, previous = Signer(new_key("writer")), b"\1" * 32
    state = WriteState(LIBRARY)
    add, borrow = command(ADD, "a"), command(BorrowBook(ISBN, "ann"), "b")
    commands = [add, borrow, *[command(ReturnBook(ISBN, "ann"), "c")] * 2]
    done = decide_batch(LIBRARY, state, 3, commands, AT, (), (SignerOfTwo(Place(3, 8), key), previous))
    check = TransactionCheck[int](Place(3, 8), [key.verifier])
    check.add(previous, -1)
    leaves = []
    for index, record in enumerate(done.records):
        headers = list(record.headers)
        bare = [header for header in headers if header[0] != HEADER]
        leaves.append(leaf_hash(leaf_data(AT, record.key, record.value, headers)))
        if len(bare) == len(headers):
            assert check.add(leaves[-1], index) is None
        else:
            unsigned = leaf_hash(leaf_data(AT, record.key, record.value, bare))
            assert check.close(leaves[-1], unsigned, headers[-1][1], index) == []
    # Two signatures: of two events, and of one
    assert [record.headers[-1][0] == HEADER for record in done.records] == [False, True, True]
    assert (check.signed, check.end()) == (3, None)
    texts = [leaf.hex() for leaf in leaves]
    assert [accepted(one).receipt.leaf for one in done.outcomes] == [*texts, texts[-1]]
    assert [done.accepted[name][-1].leaf for name in "abc"] == leaves
    assert done.last_leaf == leaves[-1]
