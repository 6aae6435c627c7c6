"""Events that somebody has not handled yet, and titles with an event that can't be applied."""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from query_api.documents import TitleDocument
from query_api.replica.damage import decode_title, fetch_all, fetch_one
from query_api.replica.tables import SHIFT


class HeldTitle(NamedTuple):
    """A held title, and the time (ms) of the event that can't be applied; None if it was not read yet."""

    title: TitleDocument
    at: int | None


def times_from(db: sqlite3.Connection, offsets: Mapping[int, int]) -> dict[int, int]:
    """The time (ms) of the first event at or after each partition's offset; without those that have none."""
    times = {}
    for partition, offset in offsets.items():
        found = fetch_one(
            db,
            tuple[int],
            "SELECT at FROM events WHERE place >= ? AND place < ? ORDER BY place LIMIT 1",
            (partition * SHIFT + offset, (partition + 1) * SHIFT),
        )
        if found is not None:
            times[partition] = found[0]
    return times


def held_titles(db: sqlite3.Connection, limit: int) -> list[HeldTitle]:
    """At most ``limit`` held titles, by ISBN."""
    held = []
    for isbn, body in fetch_all(
        db,
        tuple[int, bytes],
        "SELECT isbn, body FROM titles WHERE held = 1 ORDER BY isbn LIMIT ?",
        (limit,),
    ):
        title = decode_title(body)
        version = title.held.version if title.held else 0
        event = fetch_one(
            db, tuple[int], "SELECT at FROM events WHERE isbn = ? AND version = ?", (isbn, version)
        )
        held.append(HeldTitle(title, None if event is None else event[0]))
    return held
