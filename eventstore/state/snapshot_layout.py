"""The layout of a write state in a snapshot's file."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from eventstore.state.background import Pause, paced
from eventstore.state.outcomes import Appended
from eventstore.state.write_state import AcceptedCommand, Checkpoint, LastEvent, Overlay, StreamState

VERSION = 5
"""Raise it when this module writes something else. The domain's part has the Decider's fingerprint."""


class Root(Struct, frozen=True, array_like=True):
    """The value beside the entries: the log that the state belongs to, and the state's checkpoint."""

    binding: str
    next: int
    time: int
    trouble: str
    last: tuple[int, bytes, str, int] | None


_encode = msgspec.msgpack.Encoder().encode
_read_root = msgspec.msgpack.Decoder(Root).decode
_read_accepted = msgspec.msgpack.Decoder(
    tuple[tuple[str, str, tuple[tuple[str, int], ...], int, str, bytes], ...]
).decode


def write_root(binding: str, checkpoint: Checkpoint) -> bytes:
    """The root of a state at ``checkpoint``."""
    last = astuple(checkpoint.last) if checkpoint.last else None
    return _encode(Root(binding, checkpoint.next, checkpoint.time, checkpoint.trouble, last))


def read_root(data: bytes) -> Root:
    """The root as written. Raises msgspec.MsgspecError."""
    return _read_root(data)


def checkpoint_of(root: Root) -> Checkpoint:
    """The checkpoint of the root's state."""
    return Checkpoint(root.next, LastEvent(*root.last) if root.last else None, root.time, root.trouble)


def entries(overlay: Overlay, pause: Pause) -> Mapping[bytes, bytes]:
    """The entries of streams and accepted commands."""
    result: dict[bytes, bytes] = {}
    for stream, known in paced(overlay.streams.items(), pause):
        result[stream_key(stream)] = _encode((known.state, known.version, known.trouble))
    for command_id, accepted in paced(overlay.accepted.items(), pause):
        result[command_key(command_id)] = _encode(
            [
                (
                    one.stream,
                    one.digest,
                    [astuple(event) for event in one.events],
                    one.offset,
                    one.actor,
                    one.leaf,
                )
                for one in accepted
            ]
        )
    return result


def stream_key(stream: str) -> bytes:
    """The key of a stream's entry."""
    return b"t" + stream.encode()


def command_key(command_id: str) -> bytes:
    """The key of an entry with the accepted commands of one id."""
    return b"c" + command_id.encode()


class StreamReader:
    """Reads the entries of streams, whose states are of type ``state_type``."""

    def __init__(self, state_type: type[Struct]) -> None:
        self._decode: Any = msgspec.msgpack.Decoder(tuple[state_type, int, str]).decode  # type: ignore[valid-type]

    def __call__(self, data: bytes) -> StreamState:
        """The entry as written. Raises msgspec.MsgspecError."""
        return StreamState(*self._decode(data))


def read_accepted(data: bytes) -> tuple[AcceptedCommand, ...]:
    """The entry as written. Raises msgspec.MsgspecError."""
    return tuple(
        AcceptedCommand(stream, digest, tuple(Appended(*event) for event in events), offset, actor, leaf)
        for stream, digest, events, offset, actor, leaf in _read_accepted(data)
    )
