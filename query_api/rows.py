"""Rows of the table into the replica: the highest version of each title stays."""

import sqlite3
from collections.abc import Iterable

from query_api.answers import json_of, title_of
from query_api.texts import folded
from schemas.row import InventoryRow


def put_rows(db: sqlite3.Connection, rows: Iterable[InventoryRow]) -> None:
    """Store ``rows``, one a title, unless a newer one is there.

    The same version is stored again: a replay may have computed it with a newer fold.
    """
    titles = removed = copies = shelf = 0
    for row in rows:
        isbn = int(row.isbn)
        was = db.execute(
            "SELECT version, removed, quantity, available, title_key, author_key FROM titles WHERE isbn = ?",
            (isbn,),
        ).fetchone()
        if was is not None and was[0] > row.version:
            continue
        title, author = ("", "") if row.removed else (folded(row.title), folded(row.author))
        db.execute(
            "INSERT INTO titles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (isbn) DO UPDATE SET "
            "version = excluded.version, removed = excluded.removed, quantity = excluded.quantity, "
            "available = excluded.available, updated_at = excluded.updated_at, held = excluded.held, "
            "title_key = excluded.title_key, author_key = excluded.author_key, body = excluded.body",
            (
                isbn, row.version, row.removed, row.quantity, row.available, row.updated_at,
                row.held is not None, title, author, json_of(title_of(row)),
            ),
        )  # fmt: skip
        old_keys = was[4:] if was is not None else ("", "")
        if old_keys != (title, author):
            _index(db, isbn, old_keys, (title, author))
        if row.loans or (was is not None and was[2] != was[3]):
            _put_loans(db, isbn, row)
        if was is not None:
            titles, removed = titles - (not was[1]), removed - was[1]
            copies, shelf = copies - was[2], shelf - was[3]
        titles, removed = titles + (not row.removed), removed + row.removed
        copies, shelf = copies + row.quantity, shelf + row.available
    if titles or removed or copies or shelf:
        _add_to_totals(db, titles, removed, copies, shelf)


def _add_to_totals(db: sqlite3.Connection, titles: int, removed: int, copies: int, shelf: int) -> None:
    db.execute(
        "UPDATE totals SET titles = titles + ?, removed = removed + ?, copies = copies + ?, "
        "available = available + ?",
        (titles, removed, copies, shelf),
    )


def _index(db: sqlite3.Connection, isbn: int, old: tuple[str, str], new: tuple[str, str]) -> None:
    # An index without contents is told what it holds to forget it
    if old != ("", ""):
        db.execute(
            "INSERT INTO search (search, rowid, title, author) VALUES ('delete', ?, ?, ?)", (isbn, *old)
        )
    if new != ("", ""):
        db.execute("INSERT INTO search (rowid, title, author) VALUES (?, ?, ?)", (isbn, *new))


def _put_loans(db: sqlite3.Connection, isbn: int, row: InventoryRow) -> None:
    stored = db.execute("SELECT user_id, borrowed_at, due_at FROM loans WHERE isbn = ?", (isbn,)).fetchall()
    was = set(stored)
    now = {(loan.user_id, loan.borrowed_at, loan.due_at) for loan in row.loans}
    db.executemany(
        "DELETE FROM loans WHERE isbn = ? AND user_id = ?", [(isbn, loan[0]) for loan in was - now]
    )
    db.executemany("INSERT OR REPLACE INTO loans VALUES (?, ?, ?, ?)", [(isbn, *loan) for loan in now - was])
