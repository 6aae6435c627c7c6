"""Checks the proof that the events of a title are in the event store, as signed."""

from collections.abc import Sequence

from msgspec import Struct

from eventstore.keys import BadKey, parse_event_key
from evidence.checkpoint import Checkpoint
from evidence.leaf import BadLeaf, parse_leaf
from evidence.merkle import BadProof
from evidence.note import BadSignature, Unsigned, Verifier
from evidence.proof import Proof, check_proof


class TitleProof(Struct, frozen=True):
    """The events of a title, first to last, as ``library prove`` prints them.

    ``events`` is their number; the last ones may be in no proof, because no checkpoint covers them yet.
    """

    isbn: str
    events: int
    proofs: list[Proof]


class ProvedVersion(Struct, frozen=True):
    """An event that a checkpoint covers; ``recorded_at`` in ms."""

    version: int
    partition_index: int
    recorded_at: int
    value: bytes | None


class NotProved(Exception):
    """The document does not prove what it claims; the message says why."""


def check_title(title: TitleProof, keys: Sequence[Verifier]) -> tuple[list[ProvedVersion], Checkpoint | None]:
    """The proved events, and the newest checkpoint. They are versions 1 to n of the title, without a gap.

    Raises NotProved, and BadNote or BadCheckpoint for a note that is no checkpoint.
    """
    found: list[ProvedVersion] = []
    newest: Checkpoint | None = None
    for proof in title.proofs:
        try:
            checkpoint = check_proof(proof, keys)
        except (BadSignature, Unsigned, BadProof) as error:
            raise NotProved(str(error)) from error
        if newest is not None and checkpoint.origin != newest.origin:
            raise NotProved(f"the proofs are of two logs: {newest.origin} and {checkpoint.origin}")
        if newest is None or checkpoint.size > newest.size:
            newest = checkpoint
        for record in proof.records:
            proved = _version(title.isbn, record.index, record.leaf)
            if proved.version != len(found) + 1:
                raise NotProved(f"version {len(found) + 1} is missing before version {proved.version}")
            if found and proved.partition_index <= found[-1].partition_index:
                raise NotProved(f"version {proved.version} is before version {proved.version - 1} in the log")
            found.append(proved)
    if len(found) > title.events:
        raise NotProved(f"{len(found)} events are proved, but the document names {title.events}")
    return found, newest


def _version(isbn: str, index: int, leaf: bytes) -> ProvedVersion:
    """The event in a leaf. Raises NotProved if it is not the title's."""
    try:
        timestamp, key, value, _ = parse_leaf(leaf)
        stream, version = parse_event_key(key)
    except (BadLeaf, BadKey) as error:
        raise NotProved(f"event {index} of the partition: {error}") from error
    if stream != isbn:
        raise NotProved(f"event {index} of the partition is of {stream}")
    return ProvedVersion(version, index, timestamp, value)
