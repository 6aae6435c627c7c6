"""Open loans, page by page."""

import sqlite3
from typing import NamedTuple

import msgspec
from msgspec import Struct

from query_api.documents import Loan, Title
from query_api.queries.cursors import Number
from schemas.times import rfc3339


class LoanFilters(Struct, frozen=True):
    """Which loans; None: all."""

    user_id: str | None = None
    isbn: int | None = None
    overdue: bool | None = None


class Key(NamedTuple):
    """Where a loan stands: by due date (ms), title, borrower."""

    due_at: Number
    isbn: Number
    user_id: str


_title = msgspec.json.Decoder(Title)


def page(
    db: sqlite3.Connection, filters: LoanFilters, limit: int, after: Key | None, now: int
) -> tuple[list[Loan], Key | None]:
    """``limit`` loans at most after ``after``, and where the next page begins; ``now`` (ms) makes overdue."""
    where, values = ["1"], list[object]()
    if filters.user_id is not None:
        where.append("l.user_id = ?")
        values.append(filters.user_id)
    if filters.isbn is not None:
        where.append("l.isbn = ?")
        values.append(filters.isbn)
    if filters.overdue is not None:
        where.append("l.due_at < ?" if filters.overdue else "l.due_at >= ?")
        values.append(now)
    if after is not None:
        where.append("(l.due_at, l.isbn, l.user_id) > (?, ?, ?)")
        values += after
    found = db.execute(
        "SELECT l.isbn, l.user_id, l.borrowed_at, l.due_at, t.body "
        "FROM loans l JOIN titles t ON t.isbn = l.isbn "
        f"WHERE {' AND '.join(where)} ORDER BY l.due_at, l.isbn, l.user_id LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    loans = [
        Loan(f"{isbn:013}", _title.decode(body).title, user, rfc3339(since), rfc3339(due), due < now)
        for isbn, user, since, due, body in found[:limit]
    ]
    if len(found) <= limit:
        return loans, None
    isbn, user, _, due, _ = found[limit - 1]
    return loans, Key(due, isbn, user)
