"""The topic of borrowers' names: made before the first event, or never."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstore.groups import GroupDescriber, member_names
from eventstore.topics import WrongTopic, events_topic, gateways_group
from foundation.settings import Settings
from library.store.offsets import settled_end
from library.store.ordered_records import records
from schemas.topics import ensure_names_topic, has_names


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
    if admin.list_topics(store, timeout=timeout).topics[store].error is not None:
        return False
    return next(records(settings, settled_end(admin, store, timeout)), None) is not None
