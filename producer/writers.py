"""Writers of the library's event store: the engine with the library's rules."""

from typing import Any

from eventstore.append.writer import Writer
from eventstore.decider import Decider
from eventstore.state import snapshot
from eventstore.state.snapshot import Snapshot
from foundation.settings import Settings
from inventory.commands import Command
from inventory.domain import library
from inventory.rules import Title
from schemas.events import Event


def decider_of(settings: Settings) -> Decider[Title, Command, Event]:
    """The library's rules with the settings' loan period and time zone."""
    return library(settings.loan_days, settings.timezone)


def binding(settings: Settings, timeout: float = 5.0) -> str:
    """As ``eventstore.state.snapshot.binding``. Raises KafkaException."""
    return snapshot.binding(settings, decider_of(settings), timeout)


def snapshot_of(settings: Settings, partition: int, bound_to: str) -> Snapshot:
    """The snapshot of a partition; ``bound_to`` is the current ``binding``."""
    return Snapshot(settings, partition, decider_of(settings), bound_to)


def writer_of(settings: Settings, partition: int, snapshot: Snapshot | None = None, **options: Any) -> Writer:
    """The writer of a partition; ``options`` are those of ``Writer``."""
    return Writer(settings, partition, decider_of(settings), snapshot, **options)
