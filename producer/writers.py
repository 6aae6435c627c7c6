"""Writers of the library's event store: the engine with the library's rules."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient

from eventstore.append.writer import Writer
from eventstore.decider import Decider
from eventstore.state import snapshot
from eventstore.state.snapshot import Snapshot
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import Command
from inventory.domain import library
from inventory.rules import Title
from producer.names.boundary import NamesBoundary, guarded
from producer.names.names import Names
from schemas.events import Event
from schemas.topics import has_names

if TYPE_CHECKING:
    from eventstore.append.signing import RecordSigner


def decider_of(settings: Settings) -> Decider[Title, Command, Event]:
    """The library's rules with the settings' loan period and time zone."""
    return library(settings.loan_days, settings.timezone)


def binding(settings: Settings, timeout: float = 5.0) -> str:
    """As ``eventstore.state.snapshot.binding``. Raises KafkaException."""
    return snapshot.binding(settings, decider_of(settings), timeout)


def snapshot_of(settings: Settings, partition: int, bound_to: str) -> Snapshot:
    """The snapshot of a partition; ``bound_to`` is the current ``binding``."""
    return Snapshot(settings, partition, decider_of(settings), bound_to)


def open_names(settings: Settings, timeout: float = 5.0, only: str = "") -> Names | None:
    """The store's names of borrowers, or of ``only`` one; None if its events hold user ids.

    Raises KafkaException.
    """
    kept_apart = has_names(AdminClient(client_config(settings)), settings, timeout)
    return Names(settings, only=only) if kept_apart else None


def signer_of(settings: Settings, partition: int) -> "RecordSigner | None":
    """The signer of a partition's transactions; None where the settings name no key. Raises BadKeyFile."""
    if not settings.signing_key:
        return None
    # Imported here because hardly any writer needs the cryptography
    from eventstore.key_files import read_keys
    from evidence.transaction import Place, TransactionSigner

    # The last key is the newest one
    key = read_keys(Path(settings.signing_key))[-1]
    return TransactionSigner(Place(partition, settings.partitions), key)


def _ignore(_: str) -> None:
    pass


def writer_of(
    settings: Settings,
    partition: int,
    snapshot: Snapshot | None = None,
    *,
    names: Names | None = None,
    returned: Callable[[str], None] = _ignore,
    **options: Any,
) -> Writer:
    """The writer of a partition; ``options`` are those of ``Writer``.

    ``names`` are those of a store that has some; ``returned`` as for ``NamesBoundary``. Raises BadKeyFile for
    the settings' ``signing_key``.
    """
    decider = decider_of(settings)
    options["signer"] = signer_of(settings, partition)
    if names is None:
        return Writer(settings, partition, decider, snapshot, **options)
    boundary = NamesBoundary(names, returned)
    return Writer(settings, partition, guarded(decider, names), snapshot, boundary=boundary, **options)
