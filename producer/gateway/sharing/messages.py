"""What gateways say to each other: commands and questions on their way, and the answers."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from eventstore.append.writer import now_ms
from eventstore.state.outcomes import Receipt, Submitted
from foundation.http.responses import HttpResponse
from foundation.settings import Settings
from inventory.commands import Command
from producer.gateway.expiry import CLOCKS_APART_S

ANSWER_TIMEOUT_S = 2.0
"""That another gateway has for an answer; after it we execute the command ourselves."""
EXPIRY_S = ANSWER_TIMEOUT_S - CLOCKS_APART_S
"""After which the other gateway does not begin to decide it. A refusal leaves nothing in the log: a gateway
that was frozen could otherwise accept what we have refused meanwhile."""
LARGEST_FRAME_BYTES = 8 * 1024 * 1024
_LENGTH_BYTES = 4


class ForwardedCommand(Struct, frozen=True, array_like=True, tag="c"):
    """A checked command on its way to the gateway that has its partition."""

    command_id: str
    command: Command
    carried: dict[str, str]
    expires_at_ms: int
    """See ``Submitted``."""


class ForwardedLookUp(Struct, frozen=True, array_like=True, tag="l"):
    """A question on its way: which receipts has this command id in this partition?"""

    command_id: str
    partition: int


def forwarded(submitted: Submitted) -> ForwardedCommand:
    """The command on its way, from now."""
    expires_at_ms = now_ms() + int(1000 * EXPIRY_S)
    if submitted.expires_at_ms is not None:
        expires_at_ms = min(expires_at_ms, submitted.expires_at_ms)
    return ForwardedCommand(submitted.command_id, submitted.command, submitted.carried, expires_at_ms)


Forwarded: TypeAlias = ForwardedCommand | ForwardedLookUp
Answer: TypeAlias = HttpResponse | list[Receipt] | None
"""The response of a command, or receipts of a look-up; None: the other gateway could not decide it."""

_Entries: TypeAlias = list[tuple[int, Forwarded]]
_Answers: TypeAlias = list[tuple[int, HttpResponse | None, list[Receipt] | None]]
"""The number of the entry, then a place for each kind of answer."""
_encode = msgspec.msgpack.Encoder().encode
_decode_answers: Callable[[bytes], _Answers] = msgspec.msgpack.Decoder(_Answers).decode

decode_entries: Callable[[bytes], _Entries] = msgspec.msgpack.Decoder(_Entries).decode
"""Raises MsgspecError."""


def encode_entries(entries: Sequence[tuple[int, Forwarded]]) -> bytes:
    """A frame of entries, each with the number that its answer will have."""
    return frame(_encode(entries))


def encode_answers(answers: Iterable[tuple[int, Answer]]) -> bytes:
    """A frame of answers, each with the number of its entry."""
    return frame(
        _encode([(n, None, found) if isinstance(found, list) else (n, found, None) for n, found in answers])
    )


def decode_answers(body: bytes) -> Iterator[tuple[int, Answer]]:
    """The answers in a frame. Raises MsgspecError."""
    for number, response, receipts in _decode_answers(body):
        yield number, receipts if response is None else response


def frame(body: bytes) -> bytes:
    """``body`` after its length."""
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class FrameTooLong(ValueError):
    """What comes is longer than anything that a gateway says."""


class Frames:
    """Finds the frames in what arrives, which may come in other pieces than it was sent in."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._rest = b""

    def read(self, piece: bytes) -> Iterator[bytes]:
        """The bodies of the frames that ``piece`` completes. Raises FrameTooLong."""
        data, at = self._rest + piece, 0
        while (start := at + _LENGTH_BYTES) <= len(data):
            length = int.from_bytes(data[at:start], "big")
            if length > self.longest:
                raise FrameTooLong(f"a frame of {length} bytes")
            if (end := start + length) > len(data):
                break
            yield data[start:end]
            at = end
        self._rest = data[at:]


def greeting(settings: Settings) -> bytes:
    """What a gateway says first: a proof, made from the setting ``token``, which all of a store have."""
    return b"library " + hashlib.sha256(f"forwarded {settings.token}".encode()).hexdigest().encode()
