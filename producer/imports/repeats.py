"""ISBNs that are in a file several times."""

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from inventory.commands import MOST_COPIES
from producer.imports.spool import Rejected, Spool, SpooledRow, keep_rejected, spooled_batches, spooled_isbns

Repeated: TypeAlias = Literal["reject", "add"]


def settle_repeats(spool: Spool, repeated: Repeated, notice: Callable[[str], None]) -> None:
    """Leave one row for each ISBN in the spool.

    ``reject`` rejects all rows but the first. ``add`` adds their copies to the first, and calls ``notice``
    with a sentence for each row with other details. Takes about 100 bytes of memory a row of a partition.
    """
    for partition in range(len(spool.counts)):
        repeats = _repeats(spool, partition)
        if not repeats:
            continue
        kept: dict[str, SpooledRow] = {}
        rejected: list[Rejected] = []
        for row in _rows(spool, partition):
            if row.isbn not in repeats:
                continue
            first = kept.setdefault(row.isbn, row)
            if first is row:
                continue
            match repeated:
                case "reject":
                    rejected.append((row.line, _already(row, first)))
                case "add" if first.quantity + row.quantity > MOST_COPIES:
                    rejected.append(
                        (row.line, f"more than {MOST_COPIES} copies, with those of line {first.line}")
                    )
                case "add":
                    kept[row.isbn] = replace(
                        first, quantity=first.quantity + row.quantity, repeats=(*first.repeats, row.line)
                    )
                    if (row.title, row.author) != (first.title, first.author):
                        notice(_counted(row, first))
                case _:
                    assert_never(repeated)
        if rejected:
            keep_rejected(spool.folder, f"repeated-{partition}", rejected)
        spool.replace(partition, _first_rows(spool, partition, kept))


def _repeats(spool: Spool, partition: int) -> set[str]:
    """The ISBNs that are in the partition several times."""
    seen, repeats = set[int](), set[str]()
    for isbn in spooled_isbns(spool.folder, partition):
        number = int(isbn)
        if number in seen:
            repeats.add(isbn)
        seen.add(number)
    return repeats


def _first_rows(spool: Spool, partition: int, kept: dict[str, SpooledRow]) -> Iterator[SpooledRow]:
    for row in _rows(spool, partition):
        first = kept.get(row.isbn, row)
        if first.line == row.line:
            yield first


def _rows(spool: Spool, partition: int) -> Iterator[SpooledRow]:
    for batch in spooled_batches(spool.folder, partition):
        yield from batch


def _already(row: SpooledRow, first: SpooledRow) -> str:
    return (
        f"the ISBN {row.isbn} is on line {first.line} already; --repeated add counts the copies of all rows"
    )


def _counted(row: SpooledRow, first: SpooledRow) -> str:
    return (
        f"line {row.line} is counted as copies of line {first.line}, with the title {first.title!r} by "
        f"{first.author!r}, not {row.title!r} by {row.author!r}"
    )
