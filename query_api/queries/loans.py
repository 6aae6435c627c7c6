"""Open loans, page by page."""

import sqlite3
from typing import NamedTuple

from msgspec import Struct

from query_api.documents import LoanDocument
from query_api.queries.cursors import Number
from query_api.replica.damage import decode_title, fetch_all
from schemas.row import InventoryRow
from schemas.times import rfc3339


class LoanFilters(Struct, frozen=True):
    """Which loans; a filter that is None matches all."""

    user_id: str | None = None
    isbn: int | None = None
    overdue: bool | None = None


class LoanKey(NamedTuple):
    """A loan's place in the order: due date (ms), title, borrower."""

    due_at: Number
    isbn: Number
    user_id: str


def find_loans(
    db: sqlite3.Connection, filters: LoanFilters, limit: int, after: LoanKey | None, now: int
) -> tuple[list[LoanDocument], LoanKey | None]:
    """At most ``limit`` loans after ``after``, and the key that the next page starts after.

    A loan is overdue if it was due before ``now`` (ms).
    """
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
    rows = fetch_all(
        db,
        tuple[int, str, int, int, bytes],
        "SELECT l.isbn, l.user_id, l.borrowed_at, l.due_at, t.body "
        "FROM loans l JOIN titles t ON t.isbn = l.isbn "
        f"WHERE {' AND '.join(where)} ORDER BY l.due_at, l.isbn, l.user_id LIMIT ?",
        (*values, limit + 1),
    )
    loans = [
        LoanDocument(f"{isbn:013}", decode_title(body).title, user, rfc3339(since), rfc3339(due), due < now)
        for isbn, user, since, due, body in rows[:limit]
    ]
    if len(rows) <= limit:
        return loans, None
    isbn, user, _, due, _ = rows[limit - 1]
    return loans, LoanKey(due, isbn, user)


def count_loans(db: sqlite3.Connection, user_id: str) -> int:
    """The number of the borrower's open loans."""
    ((count,),) = fetch_all(
        db, tuple[int], "SELECT count(*) FROM loans WHERE user_id = ?", (user_id,), rows=1
    )
    return count


def loans_of(
    row: InventoryRow, filters: LoanFilters, limit: int, after: LoanKey | None, now: int
) -> tuple[list[LoanDocument], LoanKey | None]:
    """The open loans of a title, as ``find_loans`` returns them: ``row`` is its state at ``now`` (ms)."""
    isbn = int(row.isbn)
    keys = sorted(
        key
        for loan in row.loans
        for key in [LoanKey(loan.due_at, isbn, loan.user_id)]
        if filters.user_id in (None, loan.user_id)
        and filters.overdue in (None, loan.due_at < now)
        and (after is None or key > after)
    )
    since = {loan.user_id: loan.borrowed_at for loan in row.loans}
    found = [
        LoanDocument(row.isbn, row.title, user, rfc3339(since[user]), rfc3339(due), due < now)
        for due, _, user in keys[:limit]
    ]
    return found, keys[limit - 1] if len(keys) > limit else None
