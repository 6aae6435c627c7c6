"""Compares the full-text index with the titles: SQLite checks only the form of an index without content.

The entries for the first letters of words are not compared: that would take as long as all other checks.
"""

import sqlite3
from collections.abc import Iterator
from zlib import crc32

_MODULUS = 1_000_003
"""Sums of row ids by this prime stay far below SQLite's largest integer."""


def search_damages(db: sqlite3.Connection) -> Iterator[str]:
    """How the index disagrees with the keys of the titles. Reads all of both. Raises sqlite3.Error."""
    # Sums, not sets: of many titles most have a word of their own
    words = count = places = 0
    for isbn, *keys in db.execute("SELECT isbn, title_key, author_key FROM titles"):
        for weight, key in enumerate(keys, 1):
            found = key.split()
            words += sum(map(_checksum, found))
            count += len(found)
            places += isbn % _MODULUS * weight * len(found) * (len(found) + 1) // 2
    db.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'search', 'row')")
    terms = db.execute("SELECT term, cnt FROM temp.terms")
    if sum(_checksum(term) * times for term, times in terms) != words:
        yield "the words of the full-text index disagree with the titles"
    db.execute("CREATE VIRTUAL TABLE temp.entries USING fts5vocab('main', 'search', 'instance')")
    entries = db.execute(
        f"SELECT count(*), ifnull(sum(doc % {_MODULUS} * (1 + (col = 'author')) * (offset + 1)), 0) "
        "FROM temp.entries"
    )
    if entries.fetchone() != (count, places):
        yield "the entries of the full-text index disagree with the titles"


def _checksum(word: str) -> int:
    return crc32(word.encode())
