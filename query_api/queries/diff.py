"""The titles that differ between two moments, by ISBN, page by page."""

import sqlite3
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from query_api.documents import TITLE_COLUMNS, FieldDifference, TitleDifference, TitleDocument
from query_api.replica.damage import decode_title, fetch_all, fetch_one
from query_api.replica.past import PastTitle, PastTitles

MAX_FOLDED_TITLES = 500
"""A page folds at most this many titles, each as of both moments."""
MAX_PASSED_TITLES = 5_000
"""A page passes over at most this many titles that have no event between the moments."""
FIELDS = tuple(name for name in TITLE_COLUMNS if name != "isbn")
"""The fields that are compared."""


class Moments(Struct, frozen=True):
    """Two times (ms); ``isbn`` selects one title."""

    before: int
    after: int
    isbn: int | None = None


class DifferencePage(NamedTuple):
    """The differences, and the ISBN that the next page starts after; None on the last page."""

    items: list[TitleDifference]
    following: int | None


class _Candidate(NamedTuple):
    """A title with its last version at each moment; None: no event until then."""

    isbn: int
    before: int | None
    after: int


def differences_between(
    db: sqlite3.Connection, past: PastTitles, moments: Moments, limit: int, start: int
) -> DifferencePage:
    """At most ``limit`` titles after the ISBN ``start`` that differ.

    A page that finds fewer among the titles that it may examine is short; the next page continues after the
    last title that was examined. Only titles with an event between the moments are folded.
    """
    if moments.isbn is not None:
        candidates, end = _candidates(db, moments, moments.isbn - 1, 1, 1), None
    else:
        candidates = _candidates(db, moments, start, MAX_PASSED_TITLES, MAX_FOLDED_TITLES + 1)
        end = _last_passed(db, start)
    found: list[TitleDifference] = []
    last = start
    for position, candidate in enumerate(candidates):
        if len(found) == limit or position == MAX_FOLDED_TITLES:
            return DifferencePage(found, last)
        last = candidate.isbn
        if (difference := _difference(db, past, candidate)) is not None:
            found.append(difference)
    return DifferencePage(found, end)


def _candidates(
    db: sqlite3.Connection, moments: Moments, start: int, passed: int, most: int
) -> list[_Candidate]:
    """The titles with events between the moments, at most ``most`` of the ``passed`` ones after ``start``."""
    newest = (
        "(SELECT e.version FROM events AS e WHERE e.isbn = k.isbn AND e.at <= {} "
        "ORDER BY e.at DESC, e.version DESC LIMIT 1)"
    )
    return fetch_all(
        db,
        _Candidate,
        f"SELECT k.isbn, {newest.format('?1')} AS earlier, {newest.format('?2')} AS later "
        "FROM (SELECT isbn, first_at FROM known WHERE isbn > ?3 AND isbn <= ?4 ORDER BY isbn LIMIT ?5) AS k "
        "WHERE k.first_at <= ?2 AND later IS NOT NULL AND earlier IS NOT later LIMIT ?6",
        (
            moments.before,
            moments.after,
            start,
            10**13 if moments.isbn is None else moments.isbn,
            passed,
            most,
        ),
    )


def _last_passed(db: sqlite3.Connection, start: int) -> int | None:
    """The last of the MAX_PASSED_TITLES titles after ``start``; None if there are fewer."""
    passed = fetch_one(
        db,
        tuple[int],
        "SELECT isbn FROM known WHERE isbn > ? ORDER BY isbn LIMIT 1 OFFSET ?",
        (start, MAX_PASSED_TITLES - 1),
    )
    return None if passed is None else passed[0]


def _difference(db: sqlite3.Connection, past: PastTitles, candidate: _Candidate) -> TitleDifference | None:
    isbn = candidate.isbn
    before = _present(past, db, isbn, candidate.before)
    after = _present(past, db, isbn, candidate.after)
    old, new = _values(before), _values(after)
    fields = {
        name: FieldDifference(old.get(name), new.get(name))
        for name in FIELDS
        if old.get(name) != new.get(name)
    }
    if not fields:
        return None
    return TitleDifference(
        isbn=f"{isbn:013}",
        change="added" if before is None else "removed" if after is None else "changed",
        from_version=candidate.before or 0,
        to_version=candidate.after,
        fields=fields,
    )


def _present(
    past: PastTitles, db: sqlite3.Connection, isbn: int, version: int | None
) -> TitleDocument | None:
    """The title's document after ``version``; None while the title is not in the inventory."""
    if version is None:
        return None
    title: PastTitle = past.states(db, [(isbn, version)])[isbn, version]
    return None if title.removed else decode_title(title.body)


def _values(title: TitleDocument | None) -> dict[str, Any]:
    return {} if title is None else msgspec.structs.asdict(title)
