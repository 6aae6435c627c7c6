"""What the HTTP side uses of a follower."""

from typing import Protocol

from query_api.replica.progress import Ends
from query_api.replica.replica import Replica


class Followed(Protocol):
    """A replica that is kept up to date, of whichever table counts."""

    @property
    def table(self) -> int:
        """The number of the table that ``replica`` is read from."""

    @property
    def replica(self) -> Replica | None:
        """The replica to answer from; None until it exists."""

    @property
    def ready(self) -> bool:
        """Whether the replica has caught up, is known to be sound, and can be continued."""

    @property
    def ends(self) -> Ends | None:
        """The topics' ends at the last check."""

    @property
    def trouble(self) -> str | None:
        """The reason why nothing new can be read; None while it can."""

    def start(self) -> None:
        """Open the replica, if there is one, and follow."""

    def stop(self) -> None:
        """Stop following."""

    def rebuild(self, reason: str) -> None:
        """Request a new replica. Safe from any thread."""
