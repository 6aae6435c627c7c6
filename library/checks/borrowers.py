"""Checks whether the store can forget a borrower, and how soon a forgotten name leaves the disks."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from eventstore.avro import Undecodable
from eventstore.partition_reader import read_partition
from eventstore.topics import events_topic
from library.checks.finding import Finding, Grade
from library.store.offsets import end
from library.store.ordered_records import records
from library.store.pseudonyms import holds_tokens
from schemas.codec import decode
from schemas.patrons import ABANDONED_AFTER_S, ROLL_KEY, PatronName
from schemas.topics import NAMES_CONFIG, has_names, names_topic

if TYPE_CHECKING:
    from foundation.settings import Settings

CHECK = "borrowers"
TIMEOUT_S = 10.0
SAMPLE_RECORDS = 500
"""Of each partition, which are searched for a loan."""
MOST_SHOWN = 5
"""Borrowers that one finding names."""


def borrowers(admin: AdminClient, settings: "Settings") -> Iterator[Finding]:
    """Whether names are kept apart; changed settings of their topic; erasures that nobody ends.

    Raises KafkaException, KafkaUnavailable.
    """
    topic = names_topic(settings)
    if not has_names(admin, settings, TIMEOUT_S):
        if _lost(settings):
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
    yield from _abandoned(settings, time.time())


def _abandoned(settings: "Settings", now_s: float) -> Iterator[Finding]:
    """Borrowers whose erasure has begun and has no end: they get no loan. Raises as ``borrowers``."""
    topic = names_topic(settings)
    since_ms: dict[bytes, int] = {}
    # Not the directory: of a million borrowers this keeps none
    for message in read_partition(settings, topic, 0, end=end(settings, topic)[0]):
        key, value = message.key() or b"", message.value()
        try:
            name = None if value is None or key == ROLL_KEY else decode(value)
        except Undecodable:
            found = (
                f"record {message.offset()} of {topic} can't be read: nothing is lent from this release on"
            )
            yield Finding(CHECK, Grade.BROKEN, found, "upgrade")
            return
        if isinstance(name, PatronName) and name.closing and not name.when_returned:
            since_ms[key] = message.timestamp()[1]
        else:
            since_ms.pop(key, None)
    ages_s = {key.decode(): now_s - at / 1000 for key, at in since_ms.items()}
    late = sorted(
        (token for token, age_s in ages_s.items() if age_s > ABANDONED_AFTER_S), key=ages_s.__getitem__
    )
    if late:
        shown = ", ".join(f"{token} for {ages_s[token]:.0f} s" for token in late[-MOST_SHOWN:])
        yield Finding(
            CHECK,
            Grade.WARNING,
            f"{len(late)} borrowers are closing and get no loan, because a command that forgets them was "
            f"ended ({shown})",
            f"library patron show {late[-1]} has the name; library patron forget USER completes it, "
            "library patron keep USER takes it back",
        )


def _lost(settings: "Settings") -> bool:
    """Whether the first loans of the store have tokens. Raises KafkaException, and as ``records``."""
    first = {p: min(offset, SAMPLE_RECORDS) for p, offset in end(settings, events_topic(settings)).items()}
    return holds_tokens(records(settings, first))


def _same(found: str, right: str) -> bool:
    try:
        # Kafka may say 0 for 0.0
        return float(found) == float(right)
    except ValueError:
        return found == right
