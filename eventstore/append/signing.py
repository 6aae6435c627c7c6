"""A writer's view of its signer: the engine imports no cryptography."""

from collections.abc import Sequence
from typing import Protocol


class RecordSigner(Protocol):
    """Signs the events of a transaction; ``evidence.transaction`` has one."""

    most_events: int
    """That one signature may cover."""

    def sign(self, previous: bytes, leaves: Sequence[bytes]) -> tuple[str, bytes]:
        """The header for the last of the events with these leaves; ``previous`` is the leaf before them."""
