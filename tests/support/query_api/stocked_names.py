"""A view of names that a test fills, without Kafka."""

from collections.abc import Iterable

from schemas.codec import encode
from schemas.directory import Directory
from schemas.names_view import NamesUnknown, NamesView
from schemas.patrons import PatronForgotten, PatronName, forgotten_key, name_key


class StockedNames(NamesView):
    """Names that were read to their end; ``unread`` ones come with the next ``catch_up``."""

    def __init__(self, **named: str) -> None:
        self.exists, self.trouble, self.directory, self.logged = True, None, Directory(), {}
        self._nameless, self._caught_up = set(), True
        self.unread: dict[str, str] = {}
        self.reads = 0
        self.away = False
        self.name({token: user for user, token in named.items()})

    def start(self) -> None:
        """Follow nothing."""

    def stop(self, timeout: float = 10.0) -> None:
        """Follow nothing."""

    def name(self, users: dict[str, str]) -> None:
        """Register borrowers: user ids by token."""
        for token, user in users.items():
            self.directory.take(name_key(token), encode(PatronName(user, 1)), 0, 1)

    def forget(self, token: str, at: int = 2) -> None:
        """Forget a borrower."""
        self.logged[token] = at
        self.directory.take(name_key(token), None, 0, at)
        self.directory.take(forgotten_key(token), encode(PatronForgotten(at)), 0, at)

    def catch_up(self, timeout: float, users: Iterable[str] = ()) -> None:
        """Read ``unread``."""
        self.reads += 1
        if self.away:
            raise NamesUnknown("Kafka is away")
        self.name(self.unread)
        self.unread = {}
        self._nameless.update(user for user in users if self.directory.user_of(user) is None)
