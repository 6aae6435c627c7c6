"""Rows of the table into the replica: the highest version of each title stays."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from query_api.documents import json_of, title_of
from query_api.replica.search_text import folded
from schemas.row import InventoryRow


class Known(NamedTuple):
    """What is stored of a title."""

    version: int
    removed: bool
    quantity: int
    available: int
    title: str
    author: str


class Put(NamedTuple):
    """A row that is to be stored: its number, what stands there, and its folded texts."""

    isbn: int
    row: InventoryRow
    was: Known | None
    title: str
    author: str

    @property
    def other_texts(self) -> bool:
        """Whether it is found and sorted otherwise than before."""
        was = self.was
        return was is None or (was.removed, was.title, was.author) != (
            self.row.removed, self.title, self.author,
        )  # fmt: skip


def put_rows(db: sqlite3.Connection, rows: Iterable[InventoryRow]) -> None:
    """Store ``rows``, one a title, unless a newer one is there.

    The same version is stored again: a replay may have computed it with a newer fold.
    """
    # In order: the full-text index writes to the file at each step backwards
    given = [(int(row.isbn), row) for row in sorted(rows, key=lambda row: row.isbn)]
    known = _known(db, [isbn for isbn, _ in given])
    puts = [
        _put(isbn, row, was)
        for isbn, row in given
        if (was := known.get(isbn)) is None or was.version <= row.version
    ]
    if puts:
        _put_titles(db, puts)
        _put_words(db, [put for put in puts if put.other_texts])
        _put_loans(db, [p for p in puts if p.row.loans or (p.was and p.was.quantity != p.was.available)])
        _put_totals(db, puts)


def _known(db: sqlite3.Connection, isbns: list[int]) -> dict[int, Known]:
    found = db.execute(
        "SELECT isbn, version, removed, quantity, available, title_key, author_key FROM titles "
        "WHERE isbn IN (SELECT value FROM json_each(?))",
        (_numbers(isbns),),
    )
    return {isbn: Known(*columns) for isbn, *columns in found}


def _put(isbn: int, row: InventoryRow, was: Known | None) -> Put:
    title, author = ("", "") if row.removed else (folded(row.title), folded(row.author))
    return Put(isbn, row, was, title, author)


def _put_titles(db: sqlite3.Connection, puts: Collection[Put]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO titles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                p.isbn, p.row.version, p.row.removed, p.row.quantity, p.row.available, p.row.updated_at,
                p.row.held is not None, p.title, p.author, json_of(title_of(p.row)),
            )
            for p in puts
            if p.other_texts
        ],
    )  # fmt: skip
    # Names no column of the indexes of words, so that those are left alone
    db.executemany(
        "UPDATE titles SET version = ?, quantity = ?, available = ?, updated_at = ?, held = ?, body = ? "
        "WHERE isbn = ?",
        [
            (
                p.row.version, p.row.quantity, p.row.available, p.row.updated_at, p.row.held is not None,
                json_of(title_of(p.row)), p.isbn,
            )
            for p in puts
            if not p.other_texts
        ],
    )  # fmt: skip


def _put_words(db: sqlite3.Connection, puts: Collection[Put]) -> None:
    # An index without contents is told what it holds to forget it
    db.executemany(
        "INSERT INTO search (search, rowid, title, author) VALUES ('delete', ?, ?, ?)",
        [
            (p.isbn, p.was.title, p.was.author)
            for p in puts
            if p.was is not None and (p.was.title or p.was.author)
        ],
    )
    db.executemany(
        "INSERT INTO search (rowid, title, author) VALUES (?, ?, ?)",
        [(p.isbn, p.title, p.author) for p in puts if p.title or p.author],
    )


def _put_loans(db: sqlite3.Connection, puts: Collection[Put]) -> None:
    was: defaultdict[int, set[tuple[str, int, int]]] = defaultdict(set)
    for isbn, *loan in db.execute(
        "SELECT isbn, user_id, borrowed_at, due_at FROM loans WHERE isbn IN (SELECT value FROM json_each(?))",
        (_numbers([put.isbn for put in puts]),),
    ):
        was[isbn].add(tuple(loan))
    gone, come = list[tuple[int, str]](), list[tuple[int, str, int, int]]()
    for put in puts:
        now = {(loan.user_id, loan.borrowed_at, loan.due_at) for loan in put.row.loans}
        gone += [(put.isbn, user) for user, *_ in was[put.isbn] - now]
        come += [(put.isbn, *loan) for loan in now - was[put.isbn]]
    db.executemany("DELETE FROM loans WHERE isbn = ? AND user_id = ?", gone)
    db.executemany("INSERT OR REPLACE INTO loans VALUES (?, ?, ?, ?)", come)


def _put_totals(db: sqlite3.Connection, puts: Collection[Put]) -> None:
    titles = removed = copies = shelf = 0
    for _, row, was, *_ in puts:
        if was is not None:
            titles, removed = titles - (not was.removed), removed - was.removed
            copies, shelf = copies - was.quantity, shelf - was.available
        titles, removed = titles + (not row.removed), removed + row.removed
        copies, shelf = copies + row.quantity, shelf + row.available
    if titles or removed or copies or shelf:
        db.execute(
            "UPDATE totals SET titles = titles + ?, removed = removed + ?, copies = copies + ?, "
            "available = available + ?",
            (titles, removed, copies, shelf),
        )


def _numbers(isbns: list[int]) -> str:
    return msgspec.json.encode(isbns).decode()
