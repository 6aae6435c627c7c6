"""Checks the records of the event store: each key names a title and a version, once, without a gap.

And each value is an event of that title.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from confluent_kafka import Message

from eventstore.avro import Undecodable, UnknownSchema
from eventstore.keys import BadKey, event_key, parse_event_key
from eventstore.partition_reader import read_partition
from eventstore.partitions import partition_of
from eventstore.state.write_state import ADVICE
from eventstore.topics import events_topic
from library.checks.finding import Finding, Grade
from library.store.offsets import end
from schemas.records import event_of

if TYPE_CHECKING:
    from foundation.settings import Settings

CHECK = "event keys"
MAX_FINDINGS = 20
"""For each partition; a last finding counts the others."""
_ISBN = re.compile("[0-9]{13}")
KEEP_OUT = "library topics acl: only the writer's user may write the event store"


def event_keys(settings: "Settings") -> Iterator[Finding]:
    """Read the whole event store. Raises KafkaException, KafkaUnavailable."""
    topic, records = events_topic(settings), 0
    faults: list[Finding] = []
    for partition, last in end(settings, topic).items():
        keys = Keys(partition, settings.partitions)
        for message in read_partition(settings, topic, partition, end=last):
            records += 1
            keys.add(message)
        if keys.repeated:
            keys.locate(read_partition(settings, topic, partition, end=last))
        faults += _limited(list(keys.findings()), partition)
    yield from faults or [Finding(CHECK, Grade.FINE, f"{records:,} events, each key once")]


class Keys:
    """The keys of one of ``partitions`` partitions, in the order of its records."""

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition, self._partitions = partition, partitions
        self._elsewhere: dict[str, int] = {}
        """The first offset of each title that belongs to another partition."""
        self.repeated: dict[bytes, list[int]] = defaultdict(list)
        """Keys that occur again, with all their offsets after ``locate``."""
        self._versions: dict[str, int] = {}
        self._gaps: list[tuple[int, str, int, int]] = []
        self._unknown: list[tuple[int, bytes | None]] = []
        self._undecodable: list[tuple[int, str, int, Undecodable]] = []

    def add(self, message: Message) -> None:
        """Take the next record."""
        key, offset = message.key(), message.offset() or 0
        try:
            stream, version = parse_event_key(key)
        except BadKey:
            stream = ""
        if not _ISBN.fullmatch(stream):
            self._unknown.append((offset, key))
            return
        last = self._versions.get(stream, 0)
        if version <= last:
            self.repeated[event_key(stream, version)] = []
            return
        if version > last + 1:
            self._gaps.append((offset, stream, last, version))
        else:
            try:
                event_of(stream, message.value())
            except Undecodable as error:
                self._undecodable.append((offset, stream, version, error))
        if not last and partition_of(stream, self._partitions) != self._partition:
            self._elsewhere[stream] = offset
        self._versions[stream] = version

    def locate(self, messages: Iterable[Message]) -> None:
        """Find all offsets of the repeated keys; ``messages`` are the same records again."""
        for message in messages:
            if (key := message.key()) in self.repeated:
                self.repeated[key].append(message.offset() or 0)

    def findings(self) -> Iterator[Finding]:
        """One for each fault."""
        partition = self._partition
        for stream, offset in self._elsewhere.items():
            yield Finding(
                CHECK,
                Grade.BROKEN,
                f"the events of {stream}, from offset {offset} of partition {partition} on, belong to "
                f"partition {partition_of(stream, self._partitions)}, with {self._partitions} partitions: "
                "writers look for them there",
                "library backup FILE, then library restore FILE into a new store",
            )
        for key, (first, *others) in self.repeated.items():
            count, later = len(others) + 1, ", ".join(map(str, others))
            yield Finding(
                CHECK,
                Grade.BROKEN,
                f"the key {key.decode()} occurs {count} times in partition {partition}: the first one, at "
                f"offset {first}, is the event; another program wrote it again at offset {later}",
                KEEP_OUT,
            )
        for offset, stream, last, version in self._gaps:
            yield Finding(
                CHECK,
                Grade.BROKEN,
                f"the key {event_key(stream, version).decode()} at offset {offset} of partition {partition} "
                f"follows version {last}: events between them are missing",
                "library restore FILE into a new store, from a backup that has them",
            )
        for offset, stream, version, error in self._undecodable:
            newer, reason = isinstance(error, UnknownSchema), str(error).partition(f": {ADVICE}")[0]
            yield Finding(
                CHECK,
                Grade.BROKEN,
                f"the value of {event_key(stream, version).decode()} at offset {offset} of partition "
                f"{partition} is no event that this release knows ({reason}): the title takes no writes",
                "upgrade to the release that wrote it" if newer else KEEP_OUT,
            )
        for offset, unknown in self._unknown:
            yield Finding(
                CHECK,
                Grade.BROKEN,
                f"the key {unknown!r} at offset {offset} of partition {partition} names no version of a "
                "title",
                KEEP_OUT,
            )


def _limited(findings: list[Finding], partition: int) -> list[Finding]:
    """The first ones, and the number of the others."""
    if (more := len(findings) - MAX_FINDINGS) <= 0:
        return findings
    text = f"{more:,} more keys of partition {partition} are wrong"
    return [*findings[:MAX_FINDINGS], Finding(CHECK, Grade.BROKEN, text, KEEP_OUT)]
