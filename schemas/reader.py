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
from types import TracebackType
from typing import Any, Literal, Self, overload

from eventstore.reader import Offsets, Reader, Start, Unreadable
from foundation.loaded_settings import load
from foundation.settings import Settings
from schemas.events import Event
from schemas.names_view import NamesView
from schemas.records import EVENTS


class NamedReader(Reader[Event]):
    """A reader that also follows the names of borrowers.

    ``user_id`` always says what holds now. A program that stores names itself must delete those that
    ``names`` does not have any more.
    """

    def __init__(self, settings: Settings, *reading: Any) -> None:
        super().__init__(settings, EVENTS, *reading)
        self._deadline = settings.deadline
        self.names = NamesView(settings)

    def __enter__(self) -> Self:
        self.names.start()
        try:
            return super().__enter__()
        except BaseException:
            self.names.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.names.stop()

    def user_id(self, event: Event) -> str | None:
        """The event's borrower by name; None for an event without one, and once the borrower was forgotten.

        Waits for names that were not read yet. Raises NamesUnknown if they can't be read in time.
        """
        user: str | None = getattr(event, "user_id", None)
        return None if user is None else self.name_of(user)

    def name_of(self, borrower: str) -> str | None:
        """The name of a borrower as events have it, a token for example; None once it was forgotten.

        Waits and raises as ``user_id``.
        """
        if self.names.unresolved([borrower]):
            self.names.catch_up(self._deadline, [borrower])
        return self.names.user_of(borrower)


@overload
def open_reader(
    group: str | None = None,
    *,
    settings: Settings | None = None,
    start: Start = "earliest",
    report: Callable[[Unreadable], None] | None = None,
    stored: Callable[[], Offsets] | None = None,
    names: Literal[False] = False,
) -> Reader[Event]: ...


@overload
def open_reader(
    group: str | None = None,
    *,
    settings: Settings | None = None,
    start: Start = "earliest",
    report: Callable[[Unreadable], None] | None = None,
    stored: Callable[[], Offsets] | None = None,
    names: Literal[True],
) -> NamedReader: ...


def open_reader(
    group: str | None = None,
    *,
    settings: Settings | None = None,
    start: Start = "earliest",
    report: Callable[[Unreadable], None] | None = None,
    stored: Callable[[], Offsets] | None = None,
    names: bool = False,
) -> Reader[Event]:
    """A reader of the library's events; see ``eventstore.reader.Reader``.

    Without ``settings`` it uses those that a command in the current folder would use: environment,
    ``library.toml``, the system that runs nearby. ``names``: the reader knows the borrowers of a store that
    keeps their names apart. Raises BadSettings.
    """
    found = settings or load({}, os.environ, Path.cwd()).settings
    if names:
        return NamedReader(found, group, start, report, stored)
    return Reader(found, EVENTS, group, start, report, stored)
