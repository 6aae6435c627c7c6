"""The consumer groups of the event store: members, offsets, and lag; and the gateways' group."""

from confluent_kafka import KafkaException
from msgspec import Struct

from eventstore.groups import gateway_url, lag, member_names
from query_api.following.source import Source

MOST_GROUPS = 200
_TIMEOUT_S = 2.0


class Group(Struct, frozen=True):
    """A consumer group: committed offsets, and offsets from there to the store's end, by partition."""

    name: str
    members: list[str] | None
    """None: Kafka did not say."""
    committed: dict[int, int]
    lag: dict[int, int]


class GroupLags:
    """Asks Kafka about the groups. For one thread at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._describer = source.group_describer()

    def groups(self) -> list[Group]:
        """The groups with offsets in the event store, by name. Groups that can't be asked are left out.

        Raises KafkaException if Kafka does not answer, or no group can be asked.
        """
        admin = self._source.admin
        ends = dict(enumerate(self._source.event_ends(_TIMEOUT_S)))
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_S).result().valid
        # The system's own first: a shared Kafka may have hundreds of others
        names = sorted(
            (group.group_id for group in listed),
            key=lambda name: (not name.startswith(self._source.own_groups), name),
        )[:MOST_GROUPS]
        committed = self._source.committed(names, _TIMEOUT_S)
        readers = {name: offsets for name, offsets in committed.items() if offsets}
        described = self._describer.describe(readers, _TIMEOUT_S)
        members = {
            name: member_names(group)
            for name, group in described.items()
            if not isinstance(group, KafkaException)
        }
        beginnings = self._source.beginnings(_TIMEOUT_S)
        return [
            Group(name, members.get(name), offsets, lag(offsets, beginnings, ends))
            for name, offsets in sorted(readers.items())
        ]

    def gateways(self) -> dict[str, list[int]]:
        """The gateways by URL, each with its partitions. Raises KafkaException."""
        owned: dict[str, list[int]] = {}
        for member in self._describer.description(self._source.gateways, _TIMEOUT_S).members:
            assigned = member.assignment.topic_partitions if member.assignment else []
            # One that was killed is a member beside its successor at the same URL until its session ends
            partitions = owned.setdefault(gateway_url(member.client_id), [])
            partitions.extend(each.partition for each in assigned)
        return {url: sorted(partitions) for url, partitions in owned.items()}


__all__ = ["Group", "GroupLags", "KafkaException"]
