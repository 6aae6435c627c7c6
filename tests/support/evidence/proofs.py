"""Proofs of the sample's titles, as the query API makes them."""

from eventstore.partitions import partition_of
from evidence.checkpoint import Checkpoint, Origin
from evidence.leaf import leaf_data
from evidence.merkle import Tree
from evidence.note import Signer
from evidence.proof import Included, Proof
from library.checks.title_proof import TitleProof
from library.store.backup_file import Record
from tests.support.evidence.signed_records import CLUSTER, KEY, NAME, TOPIC, leaves_of


def prove_title(
    records: list[Record], isbn: str, partitions: int, size: int | None = None, signer: Signer = KEY
) -> TitleProof:
    """The proof of a title by a checkpoint of the first ``size`` events of its partition, or of all."""
    partition = partition_of(isbn, partitions)
    there = [record for record in records if record.partition == partition]
    tree = Tree(leaves_of(records, partition))
    size = len(tree) if size is None else size
    note = Checkpoint(str(Origin(NAME, CLUSTER, TOPIC, partition)), size, tree.root(size)).signed([signer])
    events = [i for i, record in enumerate(there) if record.key.startswith(f"{isbn}/".encode())]
    included = [
        Included(i, leaf_data(r.timestamp, r.key, r.value, r.headers), tree.inclusion(i, size))
        for i in events
        if i < size
        for r in [there[i]]
    ]
    return TitleProof(isbn, len(events), [Proof(note, included)])
