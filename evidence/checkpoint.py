"""Checkpoints: the size and root of a log's tree at one moment, https://c2sp.org/tlog-checkpoint.

A checkpoint is the text of a signed note: the log's origin, the number of leaves, the root in base64, and
further lines. A file of checkpoints has one note after the other, each with an empty line below it.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from evidence.leaf import HASH_BYTES
from evidence.note import Signer, Verifier, open_note, sign

_BASE64URL = str.maketrans("+/", "-_")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadCheckpoint(ValueError):
    """The text of the note is not a checkpoint."""


class Checkpoint(Struct, frozen=True):
    """The first ``size`` leaves of the log ``origin`` have this root. ``extensions`` are further lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def signed(self, signers: Iterable[Signer]) -> str:
        """The checkpoint as a note with one signature of each signer. Raises BadNote."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return sign("".join(f"{line}\n" for line in lines), signers)


class Origin(Struct, frozen=True):
    """The name of one partition's log; no other cluster, topic or partition has the same.

    ``name`` is chosen by the operator and may contain slashes. ``topic`` is the topic's id: the text has it
    in base64url, as Kafka's tools show it, while its clients use plain base64, which has slashes.
    """

    name: str
    cluster: str
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.name}/{self.cluster}/{self.topic.translate(_BASE64URL)}/{self.partition}"

    def is_of(self, cluster: str, topic: str) -> bool:
        """Whether this is the log of a partition of that topic; its id may be in either form."""
        ours, theirs = self.topic.translate(_BASE64URL), topic.translate(_BASE64URL)
        return (self.cluster, ours) == (cluster, theirs)


def parse_origin(text: str) -> Origin:
    """The parts of an origin. Raises BadCheckpoint."""
    name, *rest = text.rsplit("/", 3)
    if len(rest) != 3 or not all((name, *rest)) or not _SIZE.fullmatch(rest[2]):
        raise BadCheckpoint(f"origin {text!r} is not <name>/<cluster>/<topic>/<partition>")
    return Origin(name, rest[0], rest[1], int(rest[2]))


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in the text of a note; the caller has checked its signatures. Raises BadCheckpoint."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines) or not text.endswith("\n"):
        raise BadCheckpoint("a checkpoint has an origin, a size and a root, each on a line")
    origin, size, encoded, *extensions = lines
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCheckpoint(f"root {encoded[:80]!r} is not in base64") from error
    if not _SIZE.fullmatch(size) or len(root) != HASH_BYTES:
        raise BadCheckpoint(f"size {size[:20]!r} or root {encoded[:80]!r} is not a checkpoint's")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def open_checkpoint(note: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """The checkpoint that at least one of the keys has signed. Raises BadNote and BadCheckpoint."""
    return parse_checkpoint(open_note(note, verifiers).text)


def filed(note: str) -> str:
    """The note as it is appended to a file of checkpoints."""
    return note + "\n"


def notes_of(file: str) -> tuple[list[str], str]:
    """The notes in a file of checkpoints, and the text after the last whole one, which is being written."""
    *blocks, rest = file.split("\n\n")
    # A checkpoint has no empty line: text and signatures alternate
    if len(blocks) % 2:
        rest = f"{blocks.pop()}\n\n{rest}"
    return [
        f"{text}\n\n{signatures}\n" for text, signatures in zip(blocks[::2], blocks[1::2], strict=True)
    ], rest
