"""The inventory as it was at a time, page by page."""

import sqlite3
from collections.abc import Callable

from msgspec import UNSET

from query_api.queries.page import TitleFilters, TitleKey, TitlePage
from query_api.replica.damage import decode_title, fetch_all, fetch_one
from query_api.replica.past import PastTitle, States, Versions
from query_api.replica.search_text import has_words
from query_api.replica.tables import LARGEST_INTEGER

MAX_SCANNED_TITLES = 1_000
"""A page of the past folds at most this many titles."""
MAX_PASSED_TITLES = 20_000
"""A page of the past passes over at most this many titles that came into the inventory later."""


GetStates = Callable[[sqlite3.Connection, Versions], States]
"""``PastTitles.states``, or ``PastTitles.remembered``, which folds nothing."""


def titles_at(
    db: sqlite3.Connection, states: GetStates, filters: TitleFilters, limit: int, after: TitleKey | None
) -> TitlePage:
    """The titles that were in the inventory at ``filters.at``, by ISBN.

    A page that finds fewer than ``limit`` among the titles that it may examine is short, and the next page
    continues after the last one examined. Raises NotRemembered if ``states`` does.
    """
    bodies: list[bytes] = []
    examined = 0
    last = after.isbn if after is not None else LARGEST_INTEGER if filters.descending else -1
    while True:
        start, versions = last, _versions_at(db, filters, last, limit + 1)
        found = states(db, versions)
        for key in versions:
            if len(bodies) == limit or examined == MAX_SCANNED_TITLES:
                return TitlePage(bodies, TitleKey(last, last))
            last, examined = key[0], examined + 1
            title = found[key]
            if not title.removed and _matches(title, filters):
                bodies.append(title.body)
        if len(versions) <= limit:
            end = _last_passed(db, filters, start)
            return TitlePage(bodies, None if end is None else TitleKey(end, end))


def _versions_at(db: sqlite3.Connection, filters: TitleFilters, start: int, limit: int) -> Versions:
    """ISBN and version then, of at most ``limit`` of the MAX_PASSED_TITLES titles after ``start``."""
    sign, direction = _order(filters)
    return fetch_all(
        db,
        tuple[int, int],
        "SELECT k.isbn, (SELECT e.version FROM events AS e WHERE e.isbn = k.isbn AND e.at <= ?1 "
        "ORDER BY e.at DESC, e.version DESC LIMIT 1) AS newest "
        "FROM (SELECT isbn, first_at FROM known "
        f"WHERE isbn {sign} ?2 ORDER BY isbn {direction} LIMIT ?3) AS k "
        "WHERE k.first_at <= ?1 AND newest IS NOT NULL LIMIT ?4",
        (filters.at, start, MAX_PASSED_TITLES, limit),
    )


def _last_passed(db: sqlite3.Connection, filters: TitleFilters, start: int) -> int | None:
    """The last of the MAX_PASSED_TITLES titles after ``start``; None if there are fewer."""
    sign, direction = _order(filters)
    passed = fetch_one(
        db,
        tuple[int],
        f"SELECT isbn FROM known WHERE isbn {sign} ? ORDER BY isbn {direction} LIMIT 1 OFFSET ?",
        (start, MAX_PASSED_TITLES - 1),
    )
    return None if passed is None else passed[0]


def _order(filters: TitleFilters) -> tuple[str, str]:
    return ("<", "DESC") if filters.descending else (">", "ASC")


def _matches(title: PastTitle, filters: TitleFilters) -> bool:
    if (filters.available, filters.held, filters.author, filters.q) == (None, None, None, None):
        return True
    document = decode_title(title.body)
    if filters.available is not None and (document.available > 0) != filters.available:
        return False
    if filters.held is not None and (document.held is not UNSET) != filters.held:
        return False
    if filters.author is not None and not has_words(filters.author, document.author):
        return False
    return filters.q is None or has_words(filters.q, document.title, document.author)
