"""Progress of a contestant, read from Kafka."""

from eventstore.groups import GroupOffsets
from eventstore.topics import events_topic
from foundation.settings import Settings
from library.store.offsets import end, settled_end

LIMIT_S = 20.0


class Group:
    """Progress of a consumer group in an event store that does not grow."""

    def __init__(self, settings: Settings, group: str) -> None:
        topic = events_topic(settings)
        self.ends = settled_end(settings, topic, LIMIT_S)
        self._offsets = GroupOffsets(settings, topic, group)

    def lag(self) -> int:
        """Return the number of uncommitted offsets."""
        at = self._offsets.read(LIMIT_S)
        return sum(end - at.get(partition, 0) for partition, end in self.ends.items())


def records(settings: Settings, changelog: str) -> int:
    """Return the number of records that were ever written to a changelog without transactions."""
    return sum(end(settings, changelog).values())
