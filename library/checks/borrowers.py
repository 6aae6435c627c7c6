"""Checks whether the store can forget a borrower, and how soon a forgotten name leaves the disks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from eventstore.topics import events_topic
from library.checks.finding import Finding, Grade
from library.store.offsets import end
from library.store.ordered_records import records
from library.store.pseudonyms import holds_tokens
from schemas.topics import NAMES_CONFIG, has_names, names_topic

if TYPE_CHECKING:
    from foundation.settings import Settings

CHECK = "borrowers"
TIMEOUT_S = 10.0
SAMPLE_RECORDS = 500
"""Of each partition, which are searched for a loan."""


def borrowers(admin: AdminClient, settings: "Settings") -> Iterator[Finding]:
    """Whether names are kept apart; each setting of their topic that was changed. Raises KafkaException."""
    topic = names_topic(settings)
    if not has_names(admin, settings, TIMEOUT_S):
        if _lost(admin, settings):
            yield Finding(
                CHECK,
                Grade.BROKEN,
                f"the events hold tokens of borrowers, but {topic}, which has their names, is missing: "
                "writers would put user ids beside the tokens",
                "stop all writers, library backup FILE, then library restore FILE into a new store",
            )
            return
        yield Finding(
            CHECK,
            Grade.FINE,
            "the events hold user ids, and nobody can be forgotten; `library restore FILE --pseudonymise` "
            "copies a backup into a store that keeps the names apart",
        )
        return
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries: Any = admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
    changed = {name: right for name, right in NAMES_CONFIG.items() if not _same(entries[name].value, right)}
    for name, right in changed.items():
        yield Finding(
            CHECK,
            Grade.WARNING,
            f"topic {topic} has {name}={entries[name].value}: a forgotten name may stay on the disks",
            f"library kafka configs --alter --entity-type topics --entity-name {topic} "
            f"--add-config {name}={right}",
        )
    if not changed:
        yield Finding(CHECK, Grade.FINE, f"{topic} keeps their names apart from the events")


def _lost(admin: AdminClient, settings: "Settings") -> bool:
    """Whether the first loans of the store have tokens. Raises KafkaException, and as ``records``."""
    first = {p: min(offset, SAMPLE_RECORDS) for p, offset in end(admin, events_topic(settings)).items()}
    return holds_tokens(records(settings, first))


def _same(found: str, right: str) -> bool:
    try:
        # Kafka may say 0 for 0.0
        return float(found) == float(right)
    except ValueError:
        return found == right
