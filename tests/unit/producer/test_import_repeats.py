"""ISBNs that are in a file several times, and the result that counts every row."""

from pathlib import Path

import pytest

from foundation.cli.app import CommandError
from inventory.commands import MOST_COPIES, AddBook
from producer.imports import spool as spooling
from producer.imports.appending import Counts
from producer.imports.files import Layout, open_catalogue
from producer.imports.repeats import Repeated, settle_repeats
from producer.imports.report import Result, report
from producer.imports.spool import Spool, SpooledRow, all_rejected, keep_rejected_repeats, spooled_batches

A, B, C = "9783000000003", "9783000000010", "9783000000027"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "BATCH_ROWS", 2)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Two partitions: A on lines 2, 4 and 5, B on 3, C on 6 and 7."""
    spool = Spool(tmp_path, 2)
    for line, partition, isbn, title in (
        (2, 0, A, "T"),
        (3, 0, B, "T"),
        (4, 0, A, "T"),
        (5, 0, A, "T, paperback"),
        (6, 1, C, "T"),
        (7, 1, C, "T"),
    ):
        spool.put(partition, line, AddBook(isbn, title, "", 2))
    spool.finish()
    return spool


def settled(spool: Spool, repeated: Repeated) -> tuple[list[SpooledRow], list[str]]:
    notices: list[str] = []
    settle_repeats(spool, repeated, notices.append)
    rows = [
        row for partition in (0, 1) for batch in spooled_batches(spool.folder, partition) for row in batch
    ]
    return rows, notices


def test_repeated_rows_are_rejected_with_the_line_of_the_first(spool: Spool) -> None:
    rows, notices = settled(spool, "reject")
    assert [(row.line, row.quantity) for row in rows] == [(2, 2), (3, 2), (6, 2)]
    assert [(line, reason.partition(" already")[0]) for line, reason in all_rejected(spool.folder)] == [
        (4, f"the ISBN {A} is on line 2"),
        (5, f"the ISBN {A} is on line 2"),
        (7, f"the ISBN {C} is on line 6"),
    ]
    assert spool.counts == [2, 1]
    assert not notices


def test_copies_of_repeated_rows_can_be_added(spool: Spool) -> None:
    rows, notices = settled(spool, "add")
    assert [(row.lines, row.quantity) for row in rows] == [((2, 4, 5), 6), ((3,), 2), ((6, 7), 4)]
    assert [row.title for row in rows] == ["T"] * 3
    assert not list(all_rejected(spool.folder))
    assert spool.counts == [4, 2]
    (notice,) = notices
    assert notice.startswith("line 5 is counted as copies of line 2")
    assert "'T, paperback'" in notice


def test_more_copies_than_a_title_may_have_are_rejected(spool: Spool) -> None:
    spool.put(1, 8, AddBook(C, "T", "", MOST_COPIES))
    spool.finish()
    settled(spool, "add")
    ((line, reason),) = all_rejected(spool.folder)
    assert (line, reason) == (8, f"more than {MOST_COPIES} copies, with those of line 6")


def test_rejected_rows_are_in_the_order_of_the_file(spool: Spool) -> None:
    keep_rejected_repeats(spool.folder, 0, [(9, "a"), (4, "b")])
    spool.reject(5, "c")
    spool.finish()
    assert list(all_rejected(spool.folder)) == [(4, "b"), (5, "c"), (9, "a")]


def test_a_row_that_is_unaccounted_for_ends_the_import_with_an_error(
    spool: Spool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "books.csv"
    file.write_text("isbn,title\n")
    catalogue = open_catalogue(file, Layout())
    complete = Result(rows=5, blank=1, counts=Counts(added=3, unchanged=1), seconds=1.0)
    report(complete, spool, catalogue, None, as_json=False)
    assert (
        capsys.readouterr().out
        == "3 added, 1 unchanged, 0 rejected, 1 blank, of 5 rows in 1.0 s (5 rows/s)\n"
    )
    lost = Result(rows=6, blank=1, counts=Counts(added=3, unchanged=1), seconds=1.0)
    with pytest.raises(CommandError, match="6 rows were read, but 5 are accounted for"):
        report(lost, spool, catalogue, None, as_json=False)
