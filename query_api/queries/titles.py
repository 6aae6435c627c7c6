"""The inventory as it is now: one title, and pages of titles."""

import sqlite3

from query_api.queries.page import Filters, Found, Key
from query_api.replica.search_text import phrases

_KEYS = {
    "isbn": "t.isbn", "title": "substr(t.title_key, 1, 80)", "author": "substr(t.author_key, 1, 80)",
    "updated_at": "t.updated_at",
}  # fmt: skip


def body_of(db: sqlite3.Connection, isbn: int) -> tuple[bytes, bool, int, int] | None:
    """A title's JSON, whether it was removed, its version, and when it last changed (ms)."""
    found: tuple[bytes, bool, int, int] | None = db.execute(
        "SELECT body, removed, version, updated_at FROM titles WHERE isbn = ?", (isbn,)
    ).fetchone()
    return found


def page(db: sqlite3.Connection, filters: Filters, limit: int, after: Key | None) -> Found:
    """``limit`` titles at most, after ``after``.

    Costs what it finds; only a search in another order than by ISBN costs all that it could find.
    """
    key, sign, direction = _KEYS[filters.column], "<" if filters.downwards else ">", ""
    if filters.downwards:
        direction = " DESC"
    where, values = ["t.removed = 0"], []
    source = "titles t"
    match filters.q and match_expression(filters.q):
        case None | "":
            if filters.q is not None:
                return Found([], None)
        case str(expression):
            source = "search CROSS JOIN titles t ON t.isbn = search.rowid"
            where.append("search MATCH ?")
            values.append(expression)
            if filters.column == "isbn":
                key = "search.rowid"
    if filters.available is not None:
        where.append("t.available > 0" if filters.available else "t.available = 0")
    order = f"{key}{direction}"
    if filters.column != "isbn":
        order += f", t.isbn{direction}"
    parameters: list[object] = [*values]
    if after is not None:
        if filters.column == "isbn":
            where.append(f"{key} {sign} ?")
            parameters.append(after.isbn)
        else:
            where.append(f"({key}, t.isbn) {sign} (?, ?)")
            parameters += [after.value, after.isbn]
    found = db.execute(
        f"SELECT t.isbn, {key}, t.body FROM {source} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?",
        (*parameters, limit + 1),
    ).fetchall()
    more = len(found) > limit
    del found[limit:]
    return Found([row[2] for row in found], Key(found[-1][1], found[-1][0]) if more else None)


def match_expression(text: str) -> str:
    """FTS5's expression for titles with every word of ``text``, each a beginning of a word; empty: none."""
    return " ".join(f'"{phrase}" *' for phrase in phrases(text))
