"""The inventory now: one title, and pages of titles."""

import re
import sqlite3
from typing import Any

from query_api.queries.page import TitleFilters, TitleKey, TitlePage
from query_api.replica.damage import fetch_all, fetch_one
from query_api.replica.search_text import LONGEST_PREFIX, phrases

_KEYS = {
    "isbn": "t.isbn", "title": "substr(t.title_key, 1, 80)", "author": "substr(t.author_key, 1, 80)",
    "updated_at": "t.updated_at",
}  # fmt: skip
MAX_NAMED_WORDS = 64
"""Of a prefix; one with more words costs as much as it has matches in the store."""
MAX_QUICK_TITLES = 250_000
"""In a store with so many, a search visits all titles with a frequent word in a few milliseconds."""
_LONG_PREFIX = re.compile(rf'"[^" ]{{{LONGEST_PREFIX + 1},}}" \*').search
_LAST_CHARACTER = "\U0010ffff"
_TEXT: Any = tuple[int, str, bytes]
_NUMBER: Any = tuple[int, int, bytes]
"""ISBN, sort key and document of a title."""


def title_json(db: sqlite3.Connection, isbn: int) -> tuple[bytes, bool, int, int] | None:
    """A title's JSON, whether it was removed, its version, and the time of its last change (ms)."""
    title = fetch_one(
        db,
        tuple[bytes, int, int, int],
        "SELECT body, removed, version, updated_at FROM titles WHERE isbn = ?",
        (isbn,),
    )
    return None if title is None else (title[0], title[1] != 0, title[2], title[3])


class SlowQuery(Exception):
    """The query may take longer than an event loop can be held up."""


def find_titles(
    db: sqlite3.Connection,
    filters: TitleFilters,
    limit: int,
    after: TitleKey | None,
    *,
    only_quick: bool = False,
) -> TitlePage:
    """At most ``limit`` titles after ``after``.

    The cost grows with the page, with these exceptions: a search in another order than by ISBN visits every
    match; a filter by ``available`` or ``held``, and words that seldom occur in the same title, visit titles
    until the page is full. ``only_quick``: those raise SlowQuery instead, the last in large stores only.
    """
    key, sign, direction = _KEYS[filters.column], "<" if filters.descending else ">", ""
    if filters.descending:
        direction = " DESC"
    where, values = ["t.removed = 0"], list[str]()
    source = "titles t"
    if (filters.q, filters.author) != (None, None):
        expression = match_expression(db, filters.q, filters.author)
        if not expression:
            return TitlePage([], None)
        source = "search CROSS JOIN titles t ON t.isbn = search.rowid"
        where.append("search MATCH ?")
        values.append(expression)
        if filters.column == "isbn":
            key = "search.rowid"
    if only_quick and not _is_quick(db, filters, values):
        raise SlowQuery
    if filters.available is not None:
        where.append("t.available > 0" if filters.available else "t.available = 0")
    if filters.held is not None:
        where.append(f"t.held = {filters.held:d}")
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
    titles: list[tuple[int, str | int, bytes]] = fetch_all(
        db,
        _TEXT if filters.column in ("title", "author") else _NUMBER,
        f"SELECT t.isbn, {key}, t.body FROM {source} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?",
        (*parameters, limit + 1),
    )
    more = len(titles) > limit
    del titles[limit:]
    return TitlePage([body for *_, body in titles], TitleKey(titles[-1][1], titles[-1][0]) if more else None)


def _is_quick(db: sqlite3.Connection, filters: TitleFilters, expressions: list[str]) -> bool:
    if (filters.available, filters.held) != (None, None):
        return False
    if not expressions:
        return True
    if filters.column != "isbn" or any(_LONG_PREFIX(expression) for expression in expressions):
        return False
    (titles,) = fetch_all(db, tuple[int], "SELECT titles FROM totals", rows=1)[0]
    return titles <= MAX_QUICK_TITLES


def match_expression(db: sqlite3.Connection, text: str | None, author: str | None = None) -> str:
    """The FTS5 expression for titles with words that begin as each word of ``text``, and authors with words
    that begin as each word of ``author``; None: any. Empty: no title matches, one of them has no word.
    """
    parts = []
    for words, column in ((text, ""), (author, "author : ")):
        if words is None:
            continue
        beginnings = [_beginning(db, phrase) for phrase in phrases(words)]
        if not beginnings or "" in beginnings:
            return ""
        parts += [f"{column}({beginning})" for beginning in beginnings]
    return " AND ".join(parts)


def _beginning(db: sqlite3.Connection, phrase: str) -> str:
    """The FTS5 expression for words that begin as ``phrase``; empty: there are none.

    FTS5 has an index of short prefixes. For a longer one it merges the lists of all titles with such words
    before it finds the first; to name the words lets it stop after the page.
    """
    if " " in phrase or len(phrase) <= LONGEST_PREFIX:
        return f'"{phrase}" *'
    words = fetch_all(
        db,
        tuple[str],
        "SELECT word FROM words WHERE word >= ? AND word < ? LIMIT ?",
        (phrase, phrase + _LAST_CHARACTER, MAX_NAMED_WORDS + 1),
    )
    if len(words) > MAX_NAMED_WORDS:
        return f'"{phrase}" *'
    return " OR ".join(f'"{word}"' for (word,) in words)
