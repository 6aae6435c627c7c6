"""The names of borrowers in a backup file of their own, and back. An old file brings nobody back."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.errors import ClaimLost
from eventstore.partition_reader import read_partition
from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from eventstore.topics import cluster_id
from library.store.backup_file import NAMES, Digest, Header, NotWhole, Record, read, write
from library.store.offsets import settled_end
from schemas.codec import decode
from schemas.patrons import PatronForgotten, PatronName, name_key, token_of_key
from schemas.topics import names_topic

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.settings import Settings
    from producer.names.names import Change
    from schemas.directory import Directory

RECORDS_A_TRANSACTION = 500


class Restored(Struct):
    """Numbers of borrowers: named again, known already, forgotten, and with another token or name now."""

    named: int = 0
    known: int = 0
    forgotten: int = 0
    other: int = 0


def write_names(settings: "Settings", admin: AdminClient, path: Path, now: "datetime") -> Digest:
    """Write the names that borrowers have now, and when others were forgotten.

    Raises KafkaException, KafkaUnavailable, StillOpen and OSError.
    """
    topic = names_topic(settings)
    end = settled_end(settings, topic, settings.deadline)[0]
    described = admin.describe_topics(TopicCollection([topic]), request_timeout=settings.deadline)
    topic_id = str(described[topic].result().topic_id)
    cluster = cluster_id(admin, topic, settings.deadline)
    header = Header(
        name=settings.name, cluster=cluster, topic_id=topic_id, written_at=now, ends=[end], kind=NAMES
    )
    return write(path, header, _current(settings, topic, end))


def _current(settings: "Settings", topic: str, end: int) -> Iterator[Record]:
    """The last record of each key that names a token; not of those that were erased."""
    last: dict[bytes, Record] = {}
    for message in read_partition(settings, topic, 0, end=end):
        key, value, offset = message.key() or b"", message.value(), message.offset() or 0
        last.pop(key, None)
        if value is not None and _names_token(key):
            last[key] = Record(0, offset, message.timestamp()[1], key, value, [])
    yield from last.values()


def restore_names(settings: "Settings", path: Path) -> Restored:
    """Give borrowers the names in the file, except those who were forgotten.

    Raises NotWhole and OSError before anything is written, KafkaException and KafkaUnavailable; ClaimLost for
    a change that did not happen: run it again.
    """
    from producer.names.names import Names

    records = list(_records(path))
    forgotten = {token for token, says_when, _ in records if says_when}
    restored, names = Restored(), Names(settings)
    try:
        for start in range(0, len(records), RECORDS_A_TRANSACTION):
            part = records[start : start + RECORDS_A_TRANSACTION]
            counted = names.change(partial(_changed, part, forgotten), settings.deadline)
            if isinstance(counted, Unwritable | OutcomeUnknown):
                raise ClaimLost(counted.reason)
            for field in Restored.__struct_fields__:
                setattr(restored, field, getattr(restored, field) + getattr(counted, field))
    finally:
        names.close()
    return restored


def _changed(
    part: Sequence[tuple[str, bool, Record]], forgotten: set[str], now: "Directory", _: int
) -> tuple["Change", Restored]:
    change: list[tuple[bytes, bytes | None]] = []
    counted, given = Restored(), set[str]()
    for token, says_when, record in part:
        if says_when:
            if token not in now.forgotten:
                # With the tombstone: the store may still have the name
                change += [(name_key(token), None), (record.key or b"", record.value)]
            continue
        user_id = _name(record).user_id
        if token in now.forgotten or token in forgotten:
            counted.forgotten += 1
        elif now.user_of(token) == user_id:
            counted.known += 1
        elif now.user_of(token) is not None or now.token_of(user_id) is not None or user_id in given:
            counted.other += 1
        else:
            given.add(user_id)
            change.append((name_key(token), record.value))
            counted.named += 1
    return change, counted


def _records(path: Path) -> Iterator[tuple[str, bool, Record]]:
    """Token, whether the record says when it was forgotten, and the record. Raises NotWhole, OSError."""
    header, records = read(path)
    if header.kind != NAMES:
        raise NotWhole("it is a backup of events: `library restore FILE` without --names reads it")
    for record in records:
        try:
            token, says_when = token_of_key(record.key or b"")
        except ValueError as error:
            raise NotWhole("it has a record that names no token") from error
        if not says_when:
            _name(record)
        elif not isinstance(decode(record.value), PatronForgotten):
            raise NotWhole("it has a record that this release can't read: upgrade")
        yield token, says_when, record


def _name(record: Record) -> PatronName:
    value = decode(record.value)
    if not isinstance(value, PatronName):
        raise NotWhole("it has a record that this release can't read: upgrade")
    return value


def _names_token(key: bytes) -> bool:
    try:
        token_of_key(key)
    except ValueError:
        return False
    return True
