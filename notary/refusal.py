"""Why a partition is not signed any more."""

from enum import StrEnum


class Reason(StrEnum):
    """What was found; operators and programs see the value."""

    SHORTER = "shorter"
    """The partition ends before events that were read."""
    CHANGED = "changed"
    """An event that was read is another one now, or is gone."""
    REPEATED = "repeated_key"
    """A key occurs twice."""
    GAP = "version_gap"
    """A version is missing."""
    NO_EVENT = "no_event"
    """A record's key names no stream and version."""
    NO_TRANSACTION = "no_transaction"
    """A record was written outside a transaction: no writer does that."""
    UNSIGNED = "unsigned"
    """An event without its writer's signature follows events with one."""
    FORGED = "forged"
    """The signature of an event's transaction is no writer's, or was made for other events."""
    OTHER_ROOT = "other_root"
    """The events are not those that the last checkpoint signed."""
    OTHER_STORE = "other_store"
    """The topic or the cluster is another one."""


class Refused(Exception):
    """The notary signs nothing more of a partition, or of the store; the message says what was found."""

    def __init__(self, reason: Reason, found: str) -> None:
        super().__init__(found)
        self.reason = reason
