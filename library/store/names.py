"""The topics of a new store: that of borrowers' names comes before that of the events, or never."""

from collections.abc import Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstore.groups import GroupDescriber, member_names
from eventstore.topics import Table, WrongTopic, events_exist, events_topic, exists, gateways_group
from foundation.settings import Settings
from library.store.offsets import settled_end
from library.store.ordered_records import records
from schemas.topics import TABLES, ensure_names_topic, ensure_topics, has_names, names_topic


def ensure_store(
    admin: AdminClient,
    settings: Settings,
    tables: Sequence[Table] = TABLES,
    *,
    names: bool | None = None,
    timeout: float = 15.0,
) -> None:
    """Create the missing topics of the event store and the tables.

    With ``names`` the store keeps the names of borrowers apart, with False its events hold user ids. None: a
    new store keeps them apart, and one that exists stays as it is.

    The topic of names is created first: a start that is killed before it has created the event store is
    repeated, and finds it. Raises as ``ensure_names`` and ``ensure_topics``; WrongTopic for a store that
    keeps names apart and must not.
    """
    if names:
        ensure_names(admin, settings, timeout)
    elif names is None:
        if not events_exist(admin, settings, timeout):
            ensure_names_topic(admin, settings, timeout)
    elif has_names(admin, settings, timeout):
        raise WrongTopic(
            f"{names_topic(settings)} exists: this store keeps the names of borrowers apart, and remains so",
            "library up --no-names --data-dir DIR",
            " makes another one with user ids in its events; `--name NAME` does so on a shared Kafka",
        )
    ensure_topics(admin, settings, timeout, tables)


def ensure_names(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> None:
    """Let the store keep the names of borrowers apart: create their topic if it is missing.

    Raises WrongTopic for a store that has events with user ids, or may get some now; KafkaException, and as
    ``records``.
    """
    if has_names(admin, settings, timeout):
        return
    if _has_events(admin, settings, timeout):
        raise WrongTopic(
            f"{events_topic(settings)} has events already, and those name their borrowers",
            "library restore FILE --pseudonymise",
            " copies a backup of it into a new store that keeps the names apart",
        )
    (group,) = GroupDescriber(settings).describe([gateways_group(settings)], timeout).values()
    if not isinstance(group, KafkaException) and (gateways := member_names(group)):
        raise WrongTopic(
            f"a gateway runs ({', '.join(gateways)}) and would write the names of borrowers into the events",
            "library stop gateway",
            " stops it; then run this again",
        )
    ensure_names_topic(admin, settings, timeout)


def _has_events(admin: AdminClient, settings: Settings, timeout: float) -> bool:
    store = events_topic(settings)
    if not exists(admin, store, timeout):
        return False
    return next(records(settings, settled_end(settings, store, timeout)), None) is not None
