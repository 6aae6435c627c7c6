"""Records of a store in memory, and checkpoints of them, as the notary signs them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from eventstore.headers import event_headers
from eventstore.keys import event_key
from eventstore.partitions import partition_of
from evidence.checkpoint import Checkpoint, Origin
from evidence.leaf import leaf_data, leaf_hash
from evidence.merkle import Tree
from evidence.note import Signer
from library.store.backup_file import Header, Record
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned, CopiesAdded, Event
from tests.support.library.event_writer import BEGAN, numbered_isbn

NAME, CLUSTER = "library.example", "cluster-0"
# As Kafka's clients write an id; origins have it in base64url
TOPIC = "topic/0+"
# They sign nothing but samples
KEY_TEXT = "PRIVATE+KEY+library.example/notary+d7861cb5+AUtnoYyC1bmPXfwkTQ1o5bNm8YXND03o5rM4Ot8P65vD"
KEY = Signer(KEY_TEXT)
NEXT_KEY = Signer(
    "PRIVATE+KEY+library.example/notary-2+fe78678b+ATSFpQHQR1+/qk2bhxuwvQRrwxYmOKjoEZtz4b9Iw+jH"
)


def sample_records(partitions: int, titles: int = 6, rounds: int = 4) -> list[Record]:
    """``rounds`` events of each title and a header without a value; times grow by 1 ms."""
    places: Counter[int] = Counter()
    return [
        sample_record(
            partition, _offset(places, partition), number, version, BEGAN + version * titles + number
        )
        for version in range(1, rounds + 1)
        for number in range(titles)
        for partition in [partition_of(numbered_isbn(number), partitions)]
    ]


def sample_record(partition: int, offset: int, number: int, version: int, time: int) -> Record:
    """Version ``version`` of the title with this number."""
    event = _event(numbered_isbn(number), version, time)
    headers = event_headers(
        "library.inventory", f"id-{number}-{version}", "digest", 0, type(event).__name__, time, {"räume": "Ö"}
    )
    return Record(
        partition, offset, time, event_key(event.isbn, version), encode(event), [*headers, ("none", None)]
    )


def header_of(records: Iterable[Record], partitions: int) -> Header:
    """The header of a backup of these records."""
    ends = [0] * partitions
    for record in records:
        ends[record.partition] = record.offset + 1
    written_at = datetime(2026, 11, 27, tzinfo=UTC)
    return Header(name="library", cluster=CLUSTER, topic_id=TOPIC, written_at=written_at, ends=ends)


def leaves_of(records: Iterable[Record], partition: int) -> list[bytes]:
    """The leaf hashes of a partition."""
    return [
        leaf_hash(leaf_data(record.timestamp, record.key, record.value, record.headers))
        for record in records
        if record.partition == partition
    ]


def signed_notes(
    records: Sequence[Record],
    partitions: int,
    every: int = 5,
    signers: Sequence[Signer] = (KEY,),
    cluster: str = CLUSTER,
    topic: str = TOPIC,
) -> list[str]:
    """A checkpoint after every ``every`` events of a partition, and one at its end."""
    notes: list[str] = []
    for partition in range(partitions):
        leaves = leaves_of(records, partition)
        tree, origin = Tree(leaves), str(Origin(NAME, cluster, topic, partition))
        sizes = sorted({*range(every, len(leaves), every), len(leaves)} - {0})
        notes += [Checkpoint(origin, size, tree.root(size)).signed(signers) for size in sizes]
    return notes


def _offset(places: Counter[int], partition: int) -> int:
    # A marker of a transaction follows each event
    places[partition] += 2
    return places[partition] - 2


def _event(isbn: str, version: int, time: int) -> Event:
    if version == 1:
        return BookAdded(isbn, f"Стругацкие {isbn[-3:]}", "Ada", 3, time)
    kinds = (
        CopiesAdded(isbn, 1, time),
        BookBorrowed(isbn, "user123", time, time + 86_400_000),
        BookReturned(isbn, "user123", time),
    )
    return kinds[(version - 2) % 3]
