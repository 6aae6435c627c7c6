"""Writes rows of the table into the replica; each title keeps the row with the highest version."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from query_api.documents import json_of, title_document
from query_api.replica.damage import fetch_all
from query_api.replica.seals import sealed
from query_api.replica.search_text import LONGEST_PREFIX, search_key
from schemas.row import InventoryRow


class StoredTitle(NamedTuple):
    """The stored columns of a title that a newer row may change."""

    isbn: int
    version: int
    removed: int
    quantity: int
    available: int
    title: str
    author: str


class RowChange(NamedTuple):
    """A row to store, the title's columns before it, and the search keys of its title and author."""

    isbn: int
    row: InventoryRow
    before: StoredTitle | None
    title: str
    author: str

    @property
    def changes_search(self) -> bool:
        """Whether searching and sorting see a difference."""
        before = self.before
        return before is None or (before.removed, before.title, before.author) != (
            self.row.removed, self.title, self.author,
        )  # fmt: skip


def put_rows(db: sqlite3.Connection, rows: Iterable[InventoryRow]) -> None:
    """Store ``rows``, one for each title, unless a row with a higher version is stored.

    A row with the same version is stored again: a replay may have computed it with a newer fold.
    """
    # Sorted: the full-text index writes to the file whenever a row id is lower than the one before
    numbered = [(int(row.isbn), row) for row in sorted(rows, key=lambda row: row.isbn)]
    stored = _stored_titles(db, [isbn for isbn, _ in numbered])
    changes = [
        _change(isbn, row, before)
        for isbn, row in numbered
        if (before := stored.get(isbn)) is None or before.version <= row.version
    ]
    if changes:
        _put_titles(db, changes)
        _put_words(db, [change for change in changes if change.changes_search])
        _put_loans(db, [change for change in changes if _may_change_loans(change)])
        _put_totals(db, changes)


def _may_change_loans(change: RowChange) -> bool:
    before = change.before
    return bool(change.row.loans) or (before is not None and before.quantity != before.available)


def _stored_titles(db: sqlite3.Connection, isbns: list[int]) -> dict[int, StoredTitle]:
    titles = fetch_all(
        db,
        StoredTitle,
        "SELECT isbn, version, removed, quantity, available, title_key, author_key FROM titles "
        "WHERE isbn IN (SELECT value FROM json_each(?))",
        (_numbers(isbns),),
    )
    return {title.isbn: title for title in titles}


def _change(isbn: int, row: InventoryRow, before: StoredTitle | None) -> RowChange:
    title, author = ("", "") if row.removed else (search_key(row.title), search_key(row.author))
    return RowChange(isbn, row, before, title, author)


def _put_titles(db: sqlite3.Connection, changes: Collection[RowChange]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO titles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_columns(change) for change in changes if change.changes_search],
    )
    # Leaves out the columns of the text indexes: SQLite then does not write those
    db.executemany(
        "UPDATE titles SET version = ?2, quantity = ?4, available = ?5, updated_at = ?6, held = ?7, "
        "body = ?10, seal = ?11 WHERE isbn = ?1",
        [_columns(change) for change in changes if not change.changes_search],
    )


def _columns(change: RowChange) -> tuple[object, ...]:
    isbn, row, _, title, author = change
    return sealed(
        (
            isbn, row.version, int(row.removed), row.quantity, row.available, row.updated_at,
            int(row.held is not None), title, author, json_of(title_document(row)),
        )
    )  # fmt: skip


def _put_words(db: sqlite3.Connection, changes: Collection[RowChange]) -> None:
    # A contentless index deletes an entry by its indexed texts
    db.executemany(
        "INSERT INTO search (search, rowid, title, author) VALUES ('delete', ?, ?, ?)",
        [
            (p.isbn, p.before.title, p.before.author)
            for p in changes
            if p.before is not None and (p.before.title or p.before.author)
        ],
    )
    db.executemany(
        "INSERT INTO search (rowid, title, author) VALUES (?, ?, ?)",
        [(p.isbn, p.title, p.author) for p in changes if p.title or p.author],
    )
    put_long_words(db, (text for p in changes for text in (p.title, p.author)))


def put_long_words(db: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Store the words of search keys that are longer than the full-text index's prefixes."""
    words = {word for key in keys for word in key.split() if len(word) > LONGEST_PREFIX}
    db.executemany("INSERT OR IGNORE INTO words VALUES (?)", [(word,) for word in sorted(words)])


def _put_loans(db: sqlite3.Connection, changes: Collection[RowChange]) -> None:
    stored: defaultdict[int, set[tuple[str, int, int]]] = defaultdict(set)
    for isbn, user, borrowed_at, due_at in fetch_all(
        db,
        tuple[int, str, int, int],
        "SELECT isbn, user_id, borrowed_at, due_at FROM loans WHERE isbn IN (SELECT value FROM json_each(?))",
        (_numbers([change.isbn for change in changes]),),
    ):
        stored[isbn].add((user, borrowed_at, due_at))
    ended, opened = list[tuple[int, str]](), list[tuple[object, ...]]()
    for change in changes:
        loans = {(loan.user_id, loan.borrowed_at, loan.due_at) for loan in change.row.loans}
        ended += [(change.isbn, user) for user, *_ in stored[change.isbn] - loans]
        opened += [sealed((change.isbn, *loan)) for loan in loans - stored[change.isbn]]
    db.executemany("DELETE FROM loans WHERE isbn = ? AND user_id = ?", ended)
    db.executemany("INSERT OR REPLACE INTO loans VALUES (?, ?, ?, ?, ?)", opened)


def _put_totals(db: sqlite3.Connection, changes: Collection[RowChange]) -> None:
    titles = removed = copies = shelf = 0
    for _, row, before, *_ in changes:
        if before is not None:
            titles, removed = titles - (not before.removed), removed - before.removed
            copies, shelf = copies - before.quantity, shelf - before.available
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
