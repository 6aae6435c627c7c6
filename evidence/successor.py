"""A signed note that one store has the events of another one, in other partitions.

It is a checkpoint of its own: the origin ends with ``/successor`` instead of a partition, the size is the
number of events, the root is the digest of the backup that was restored. Each further line names a log as it
was then: ``old`` or ``new``, its origin, size and root.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from evidence.checkpoint import BadCheckpoint, Checkpoint, Origin, open_checkpoint, parse_origin
from evidence.leaf import HASH_BYTES
from evidence.note import Signer, Verifier

_LINE = re.compile(r"(old|new) (\S+) (\d{1,19}) (\S+)")
_END = "/successor"


class Successor(Struct, frozen=True):
    """The logs of both stores when the new one had exactly the events of the old one.

    ``digest`` is the sum of a hash of each event: it does not depend on partitions and order.
    """

    events: int
    digest: bytes
    old: list[Checkpoint]
    new: list[Checkpoint]

    def signed(self, signers: Iterable[Signer]) -> str:
        """The note with one signature of each signer. Raises BadNote, and BadCheckpoint without a new log."""
        if not self.new:
            raise BadCheckpoint("a successor has no partition")
        origin = self.new[0].origin.rpartition("/")[0] + _END
        lines = [
            f"{age} {log.origin} {log.size} {base64.b64encode(log.root).decode()}"
            for age, logs in (("old", self.old), ("new", self.new))
            for log in logs
        ]
        return Checkpoint(origin, self.events, self.digest, tuple(lines)).signed(signers)

    def log_of(self, origin: Origin) -> Checkpoint | None:
        """The log of that partition, of either store."""
        for log in (*self.old, *self.new):
            named = parse_origin(log.origin)
            if named.partition == origin.partition and named.is_of(origin.cluster, origin.topic):
                return log
        return None


def open_successor(note: str, verifiers: Sequence[Verifier]) -> Successor:
    """The successor that at least one of the keys has signed. Raises BadNote and BadCheckpoint."""
    checkpoint = open_checkpoint(note, verifiers)
    if not checkpoint.origin.endswith(_END):
        raise BadCheckpoint(f"the note is of {checkpoint.origin}, not of a successor")
    logs: dict[str, list[Checkpoint]] = {"old": [], "new": []}
    for line in checkpoint.extensions:
        age, log = _log(line)
        logs[age].append(log)
    return Successor(checkpoint.size, checkpoint.root, logs["old"], logs["new"])


def _log(line: str) -> tuple[str, Checkpoint]:
    """Age and state of a log. Raises BadCheckpoint."""
    found = _LINE.fullmatch(line)
    try:
        if found is None:
            raise ValueError
        age, origin, size, encoded = found.groups()
        root = base64.b64decode(encoded, validate=True)
        if len(root) != HASH_BYTES:
            raise ValueError
    except (ValueError, binascii.Error) as error:
        raise BadCheckpoint(f"{line[:200]!r} is no log of a successor") from error
    parse_origin(origin)
    return age, Checkpoint(origin, int(size), root)
