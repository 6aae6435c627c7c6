from pathlib import Path

import pytest

from evidence.checkpoint import Checkpoint
from evidence.leaf import NO_EVENT, Headers, leaf_data, leaf_hash
from evidence.merkle import Tree
from evidence.note import Signer, new_key
from evidence.transaction import Place, TransactionSigner
from notary import ledger as module
from notary.ledger import Ledger
from notary.refusal import Reason, Refused
from notary.signatures import Signatures


class Record:
    """A record with a header if its offset is odd."""

    def __init__(self, offset: int, key: bytes | None, value: bytes = b"value") -> None:
        self.offset, self.key, self.value, self.timestamp = offset, key, value, 1000 + offset
        self.headers: Headers = [("command_id", b"id")] if offset % 2 else []

    @property
    def leaf(self) -> bytes:
        return leaf_hash(leaf_data(self.timestamp, self.key, self.value, self.headers))


def records(count: int, start: int = 0) -> list[Record]:
    """Versions of three streams, with a marker's offset after each fifth record."""
    return [
        Record(number + number // 5, b"stream%d/%d" % (number % 3, number // 3 + 1))
        for number in range(start, start + count)
    ]


def root(some: list[Record]) -> bytes:
    return Tree(record.leaf for record in some).root()


def reason(what) -> Reason:
    with pytest.raises(Refused) as refused:
        what()
    return refused.value.reason


def opened(folder: Path, taken: int = 0) -> Ledger:
    ledger = Ledger(folder, 0)
    ledger.take(records(taken))
    return ledger


def test_the_checkpoint_has_the_root_of_all_leaves_in_batches_of_any_size(tmp_path: Path) -> None:
    ledger, all_of_them = Ledger(tmp_path, 0), records(23)
    for start, end in ((0, 1), (1, 1), (1, 9), (9, 23)):
        ledger.take(all_of_them[start:end])
    assert ledger.checkpoint("origin") == Checkpoint("origin", 23, root(all_of_them))
    assert (tmp_path / "leaves-0").read_bytes() == b"".join(record.leaf for record in all_of_them)
    assert [ledger.index(record.offset) for record in all_of_them] == list(range(23))
    assert ledger.index(all_of_them[-1].offset + 1) == 23


@pytest.mark.parametrize("saved", [True, False], ids=["after a stop", "after a kill"])
def test_a_start_goes_on_with_the_leaves_of_the_last_one(tmp_path: Path, saved: bool) -> None:
    first, all_of_them = opened(tmp_path, 13), records(20)
    if saved:
        first.close()
    second = Ledger(tmp_path, 0)
    assert second.begin == (all_of_them[12].offset if saved else 0)
    second.take([record for record in all_of_them if record.offset >= second.begin])
    assert second.checkpoint("origin") == Checkpoint("origin", 20, root(all_of_them))
    assert (tmp_path / "leaves-0").stat().st_size == 20 * 32


@pytest.mark.parametrize(
    ("leaves", "offsets"), [(13 * 32, 12 * 8), (12 * 32, 13 * 8), (12 * 32 + 7, 13 * 8 - 1)]
)
def test_a_process_that_is_killed_while_it_writes_leaves_a_usable_ledger(
    tmp_path: Path, leaves: int, offsets: int
) -> None:
    opened(tmp_path, 13)
    for name, size in (("leaves-0", leaves), ("offsets-0", offsets)):
        with (tmp_path / name).open("r+b") as file:
            file.truncate(size)
    ledger = opened(tmp_path, 20)
    assert ledger.checkpoint("origin").root == root(records(20))


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 500])
def test_a_damaged_state_is_not_used(tmp_path: Path, damage: bytes) -> None:
    opened(tmp_path, 13).close()
    (tmp_path / "state-0").write_bytes(damage)
    assert opened(tmp_path, 20).checkpoint("origin").root == root(records(20))


def test_the_state_is_saved_when_a_start_would_read_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_LEAVES", 10)
    ledger = opened(tmp_path, 9)
    ledger.save_if_large()
    assert not (tmp_path / "state-0").exists()
    ledger.take(records(1, 9))
    ledger.save_if_large()
    assert Ledger(tmp_path, 0).size == 10


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (b"stream0/4", Reason.REPEATED),
        (b"stream0/1", Reason.REPEATED),
        (b"stream0/6", Reason.GAP),
        (b"other/2", Reason.GAP),
        (b"stream0/05", Reason.NO_EVENT),
        (b"stream0/0", Reason.NO_EVENT),
        (b"stream0/", Reason.NO_EVENT),
        (b"/1", Reason.NO_EVENT),
        (b"5", Reason.NO_EVENT),
        (b"", Reason.NO_EVENT),
        (None, Reason.NO_EVENT),
    ],
)
def test_a_key_that_does_not_follow_is_refused_and_the_events_before_it_are_kept(
    tmp_path: Path, key: bytes | None, found: Reason
) -> None:
    ledger = opened(tmp_path, 10)
    assert reason(lambda: ledger.take([*records(2, 10), Record(20, key)])) == found
    assert (ledger.size, ledger.checkpoint("origin").root) == (12, root(records(12)))


def test_another_last_event_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, 10).close()
    last = records(10)[-1]
    for another in (
        Record(last.offset, last.key, b"another"),
        Record(last.offset + 1, last.key),
        Record(last.offset + 1, b"stream1/4"),
    ):
        assert reason(lambda: Ledger(tmp_path, 0).take([another])) == Reason.CHANGED  # noqa: B023


def test_another_event_than_the_leaf_that_is_there_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, 10)
    changed = records(10)
    changed[4] = Record(changed[4].offset, changed[4].key, b"another")
    with pytest.raises(Refused, match=r"leaf 4 of partition 0 was read before at offset 4"):
        Ledger(tmp_path, 0).take(changed)


def test_leaves_are_compared_with_the_last_checkpoint(tmp_path: Path) -> None:
    opened(tmp_path, 10).close()
    for size, taken in ((7, 0), (10, 0), (13, 20)):
        good, bad = Checkpoint("origin", size, root(records(size))), Checkpoint("origin", size, b"\0" * 32)
        for signed, wrong in ((good, False), (bad, True)):
            ledger = Ledger(tmp_path, 0)

            def compare(ledger: Ledger = ledger, signed: Checkpoint = signed, taken: int = taken) -> None:
                ledger.expect(signed)
                ledger.take([record for record in records(taken) if record.offset >= ledger.begin])
                ledger.require_signed()

            if wrong:
                assert reason(compare) == Reason.OTHER_ROOT
            else:
                compare()


def test_fewer_events_than_were_signed_are_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 0)
    ledger.expect(Checkpoint("origin", 11, root(records(11))))
    ledger.take(records(10))
    assert reason(ledger.require_signed) == Reason.SHORTER


def test_a_partition_that_lacks_its_first_or_last_event_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, 10)
    # Without the state: the leaves alone say where the events were
    ledger = Ledger(tmp_path, 0)
    ledger.require_span(0, 12)
    ledger.require_span(0, 11)
    assert reason(lambda: ledger.require_span(0, 10)) == Reason.SHORTER
    assert reason(lambda: ledger.require_span(1, 12)) == Reason.SHORTER
    Ledger(tmp_path, 1).require_span(0, 0)


def test_a_refused_ledger_does_not_save_what_was_refused(tmp_path: Path) -> None:
    opened(tmp_path, 10)
    ledger = Ledger(tmp_path, 0)
    with pytest.raises(Refused):
        ledger.take([*records(4), Record(9, b"stream1/9")])
    ledger.refused = True
    ledger.close()
    assert not (tmp_path / "state-0").exists()


class Signed(Record):
    """A record that may have a signature."""

    def __init__(self, offset: int, key: bytes, signature: tuple[str, bytes] | None = None) -> None:
        super().__init__(offset, key)
        self.headers = [*self.headers, *([signature] if signature else [])]


KEY, PLACE = Signer(new_key("writer")), Place(0, 1)


def transaction(log: list[Signed], size: int, place: Place = PLACE) -> list[Signed]:
    """``log``, and after it a signed transaction of so many new events."""
    new = [Signed(number, b"stream/%d" % (number + 1)) for number in range(len(log), len(log) + size)]
    header = TransactionSigner(place, KEY).sign(
        log[-1].leaf if log else NO_EVENT, [record.leaf for record in new]
    )
    last = new[-1]
    return [*log, *new[:-1], Signed(last.offset, last.key, header)]


def examining(folder: Path) -> Ledger:
    return Ledger(folder, 0, Signatures(PLACE, [KEY.verifier]))


def signed_log() -> list[Signed]:
    """Two events that nobody has signed, and transactions of three, one and four."""
    old = [Signed(number, b"stream/%d" % (number + 1)) for number in range(2)]
    return transaction(transaction(transaction(old, 3), 1), 4)


@pytest.mark.parametrize("stopped_after", range(1, 11))
def test_signatures_are_examined_on_after_a_restart_wherever_the_notary_stopped(
    tmp_path: Path, stopped_after: int
) -> None:
    log = signed_log()
    ledger = examining(tmp_path)
    for record in log[:stopped_after]:
        ledger.take([record])
    # Half a transaction is not covered by a checkpoint, once there was a signature
    assert ledger.size in (1, 2, 3, 4, 5, 6, 10)
    assert not 6 < ledger.size < 10
    ledger.close()
    again = examining(tmp_path)
    again.take(log[again.begin :])
    again.require_signed()
    assert again.checkpoint("origin").root == Tree(record.leaf for record in log).root()
    again.take([Signed(10, b"stream/11")])
    assert reason(again.require_signed) == Reason.UNSIGNED
    assert again.size == 10


def test_an_event_that_no_writer_has_signed_is_refused_with_those_after_it(tmp_path: Path) -> None:
    log = signed_log()
    forged = [*log, Signed(10, b"stream/11")]
    for _ in range(2):
        ledger = examining(tmp_path)
        assert reason(lambda taking=ledger: taking.take(transaction(forged, 1))) == Reason.UNSIGNED
        ledger.refused = True
        ledger.close()


def test_signatures_from_before_a_restore_into_other_partitions_count_as_none(tmp_path: Path) -> None:
    restored = transaction([], 3, Place(0, 16))
    log = [*restored, Signed(3, b"stream/4"), Signed(4, b"stream/5")]
    ledger = examining(tmp_path)
    ledger.take(log)
    ledger.require_signed()
    assert ledger.size == 5
    ledger.take(transaction(log, 1)[5:])
    ledger.take([Signed(6, b"stream/7")])
    assert reason(ledger.require_signed) == Reason.UNSIGNED


def test_events_that_were_read_without_the_keys_are_examined_later(tmp_path: Path) -> None:
    log = signed_log()
    log = transaction([*log, Signed(10, b"stream/11")], 1)
    ledger = Ledger(tmp_path, 0)
    ledger.take(log)
    ledger.close()
    again = examining(tmp_path)
    assert (again.size, again.begin) == (0, 0)
    assert reason(lambda: again.take(log)) == Reason.UNSIGNED


def test_a_stream_may_have_any_number_of_events(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 0)
    ledger.take([Record(number, b"stream/%d" % (number + 1)) for number in range(1_234)])
    assert ledger.size == 1_234
    assert reason(lambda: ledger.take([Record(1_234, b"stream/1236")])) == Reason.GAP
    assert reason(lambda: ledger.take([Record(1_234, b"stream/01235")])) == Reason.NO_EVENT
