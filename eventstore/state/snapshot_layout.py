"""How a write state is laid out in a snapshot's file."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from eventstore.state.background import Pause, paced
from eventstore.state.outcomes import Appended
from eventstore.state.write_state import AcceptedCommand, Known, LastEvent, Overlay, Place
from inventory.rules import Title

VERSION = 2
"""Raised when this module changes what it writes; what Title holds is RULES_VERSION's."""


class Root(Struct, frozen=True, array_like=True):
    """What stands beside the entries: whose state it is, and how far it has come."""

    binding: str
    next: int
    time: int
    trouble: str
    last: tuple[int, bytes, str, int] | None


_encode = msgspec.msgpack.Encoder().encode
_read_root = msgspec.msgpack.Decoder(Root).decode
_read_known = msgspec.msgpack.Decoder(tuple[tuple[int, bool, str, str, int, dict[str, int]], str]).decode
_read_answers = msgspec.msgpack.Decoder(tuple[tuple[str, str, tuple[tuple[str, int], ...], int], ...]).decode


def write_root(binding: str, place: Place) -> bytes:
    """The root of a state that has come to ``place``."""
    last = astuple(place.last) if place.last else None
    return _encode(Root(binding, place.next, place.time, place.trouble, last))


def read_root(data: bytes) -> Root:
    """The root as written."""
    return _read_root(data)


def place_of(root: Root) -> Place:
    """How far the root's state has come."""
    return Place(root.next, LastEvent(*root.last) if root.last else None, root.time, root.trouble)


def entries(overlay: Overlay, pause: Pause) -> Mapping[bytes, bytes]:
    """The entries of titles and answers."""
    found: dict[bytes, bytes] = {}
    for isbn, known in paced(overlay.titles.items(), pause):
        found[title_key(isbn)] = _encode((astuple(known.title), known.trouble))
    for command_id, answers in paced(overlay.answers.items(), pause):
        found[command_key(command_id)] = _encode(
            [(one.isbn, one.digest, [astuple(event) for event in one.events], one.offset) for one in answers]
        )
    return found


def title_key(isbn: str) -> bytes:
    """Where a title stands."""
    return b"t" + isbn.encode()


def command_key(command_id: str) -> bytes:
    """Where a command's answers stand."""
    return b"c" + command_id.encode()


def read_known(data: bytes) -> Known:
    """A title as written."""
    title, trouble = _read_known(data)
    return Known(Title(*title), trouble)


def read_answers(data: bytes) -> tuple[AcceptedCommand, ...]:
    """Answers as written."""
    return tuple(
        AcceptedCommand(isbn, digest, tuple(Appended(*event) for event in events), offset)
        for isbn, digest, events, offset in _read_answers(data)
    )
