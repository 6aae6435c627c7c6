"""The offsets that the consumer groups of the event store have committed."""

import time

from confluent_kafka.admin import AdminClient

from eventstore.groups import committed_offsets_by_group
from eventstore.topics import events_topic, gateways_group
from foundation.kafka_clients import UNUSED, client_config
from foundation.settings import Settings

MOST_UNKNOWN = 25
"""Groups that may read something else, and are asked in one look: each takes a client of its own."""
OTHERS_INTERVAL_S = 120.0
"""Between two looks at groups that read something else."""
_TIMEOUT_S = 3.0


class Groups:
    """Finds the groups that read the event store, except those in ``ignored``."""

    def __init__(self, settings: Settings, ignored: set[str]) -> None:
        self._settings, self._topic = settings, events_topic(settings)
        self._ignored = ignored | {gateways_group(settings), f"{settings.name}-{UNUSED}"}
        self._known: dict[str, dict[int, int]] = {}
        """The offsets of the groups that read the event store, at the last look."""
        self._others: dict[str, float] = {}
        """Groups without offsets in the event store, and when that was found."""

    def committed(self, always: str) -> dict[str, dict[int, int]]:
        """The offset of each group in each partition where it has one.

        The group ``always`` is asked each time, also if it has committed nothing, or is not listed. A group
        that can't be asked at the moment has the offsets of the last look. Raises KafkaException.
        """
        # A client for each call: an answer that comes too late could end the process of one that lives on
        admin = AdminClient(client_config(self._settings))
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_S).result()
        names = {group.group_id for group in listed.valid}
        if listed.errors:
            # The groups of a broker that does not answer are not gone
            names |= self._known.keys()
        now = time.monotonic()
        unknown = sorted(
            name
            for name in names - self._ignored - self._known.keys() - {always}
            if now - self._others.get(name, float("-inf")) > OTHERS_INTERVAL_S
        )
        asked = [always, *sorted(names & self._known.keys() - {always}), *unknown[:MOST_UNKNOWN]]
        answers = committed_offsets_by_group(self._settings, self._topic, asked, _TIMEOUT_S)
        found = {name: answers.get(name, self._known.get(name, {})) for name in asked}
        self._known = {name: offsets for name, offsets in found.items() if offsets}
        self._others = {name: at for name, at in self._others.items() if name in names}
        self._others |= {name: now for name in asked if name not in self._known}
        return dict(self._known)
