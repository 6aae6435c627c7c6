"""Proofs that records are in a log: their bytes, their indexes, and the hashes up to a signed root."""

from collections.abc import Sequence

from msgspec import Struct

from evidence.checkpoint import Checkpoint, open_checkpoint
from evidence.leaf import leaf_hash
from evidence.merkle import check_inclusion
from evidence.note import Verifier


class Included(Struct, frozen=True):
    """A record with the bytes ``leaf`` is leaf ``index`` (from 0); ``path`` are the hashes up to the root."""

    index: int
    leaf: bytes
    path: list[bytes]


class Proof(Struct, frozen=True):
    """Records of one log, and the signed note with its root."""

    checkpoint: str
    records: list[Included]


def check_proof(proof: Proof, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Check the signature, and that each record is in the log of the checkpoint.

    Raises BadNote, BadCheckpoint and BadProof.
    """
    checkpoint = open_checkpoint(proof.checkpoint, verifiers)
    for record in proof.records:
        check_inclusion(leaf_hash(record.leaf), record.index, checkpoint.size, record.path, checkpoint.root)
    return checkpoint
