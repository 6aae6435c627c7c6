"""A consumer group of your own over the library's events.

with open_reader(group="new-titles") as reader:
    for batch in reader.batches(follow=True):
        for record in batch:
            match record.event:
                case BookAdded(isbn, title):
                    print(isbn, title)
"""

import os
from collections.abc import Callable
from pathlib import Path

from eventstore.reader import Offsets, Reader, Start, Unreadable
from foundation.settings import Settings, load
from schemas.events import Event
from schemas.records import EVENTS


def open_reader(
    group: str | None = None,
    *,
    settings: Settings | None = None,
    start: Start = "earliest",
    report: Callable[[Unreadable], None] | None = None,
    stored: Callable[[], Offsets] | None = None,
) -> Reader[Event]:
    """A reader of the library's events; see ``eventstore.reader.Reader``.

    Without ``settings`` it uses those that a command in the current folder would use: environment,
    ``library.toml``, the system that runs nearby. Raises BadSettings.
    """
    found = settings or load({}, os.environ, Path.cwd()).settings
    return Reader(found, EVENTS, group, start, report, stored)
