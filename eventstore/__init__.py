"""An event store on Kafka for any domain: conditional append, and a reader for consumer groups.

The names below are what a domain needs; ``docs/your-own-domain.md`` uses them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventstore.append.writer import Writer
    from eventstore.avro import Codec, Registry, Undecodable
    from eventstore.decider import Decider, Events, Rejection
    from eventstore.positions import Position
    from eventstore.reader import Reader
    from eventstore.recorded import Recorded
    from eventstore.state.outcomes import (
        Accepted,
        Outcome,
        OutcomeUnknown,
        Receipt,
        Refused,
        Reused,
        Submitted,
        Unwritable,
        submit,
    )
    from eventstore.topics import Table

_MODULES = {
    "append.writer": ("Writer",),
    "avro": ("Codec", "Registry", "Undecodable"),
    "decider": ("Decider", "Events", "Rejection"),
    "positions": ("Position",),
    "reader": ("Reader",),
    "recorded": ("Recorded",),
    "state.outcomes": (
        "Accepted", "Outcome", "OutcomeUnknown", "Receipt", "Refused", "Reused", "Submitted", "Unwritable",
        "submit",
    ),
    "topics": ("Table",),
}  # fmt: skip

__all__ = [
    "Accepted",
    "Codec",
    "Decider",
    "Events",
    "Outcome",
    "OutcomeUnknown",
    "Position",
    "Reader",
    "Receipt",
    "Recorded",
    "Refused",
    "Registry",
    "Rejection",
    "Reused",
    "Submitted",
    "Table",
    "Undecodable",
    "Unwritable",
    "Writer",
    "submit",
]


def __getattr__(name: str) -> Any:
    # Imported on first use: a command that needs one of these need not wait for Kafka's client
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"eventstore.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
