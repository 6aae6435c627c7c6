"""What gateways say to each other: commands and questions on their way, and the answers."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from eventstore.append.writer import now_ms
from eventstore.state.outcomes import Receipt, Submitted
from foundation.http.responses import HttpResponse
from foundation.settings import Settings
from inventory.commands import Command
from producer.gateway.expiry import CLOCKS_APART_S

PATH = "/forwarded"
ANSWER_TIMEOUT_S = 2.0
"""That another gateway has for an answer; after it we execute the command ourselves."""
EXPIRY_S = ANSWER_TIMEOUT_S - CLOCKS_APART_S
"""After which the other gateway does not begin to decide it. A refusal leaves nothing in the log: a gateway
that was frozen could otherwise accept what we have refused meanwhile."""
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

encode_entries = msgspec.msgpack.Encoder().encode
_Entries: TypeAlias = Annotated[list[Forwarded], Meta(min_length=1)]
decode_entries: Callable[[bytes], list[Forwarded]] = msgspec.msgpack.Decoder(_Entries).decode


_Sheet: TypeAlias = list[tuple[int, HttpResponse | None, list[Receipt] | None]]
"""Some answers to a batch: the number of the entry, then a place for each kind of answer."""
_encode_sheet = msgspec.msgpack.Encoder().encode
_decode_sheet: Callable[[bytes], _Sheet] = msgspec.msgpack.Decoder(_Sheet).decode


def encode_answers(answers: Iterable[tuple[int, Answer]]) -> bytes:
    """Answers, each after the number of its entry in the batch. A body has any number of such pieces."""
    sheet = _encode_sheet(
        [(n, None, found) if isinstance(found, list) else (n, found, None) for n, found in answers]
    )
    return len(sheet).to_bytes(_LENGTH_BYTES, "big") + sheet


class AnswerReader:
    """Reads the answers in a body, which may arrive in other pieces than it was sent in."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, piece: bytes) -> Iterator[tuple[int, Answer]]:
        """The answers that ``piece`` completes. Raises MsgspecError."""
        data, at = self._rest + piece, 0
        while (start := at + _LENGTH_BYTES) <= len(data):
            end = start + int.from_bytes(data[at:start], "big")
            if end > len(data):
                break
            for number, response, receipts in _decode_sheet(data[start:end]):
                yield number, receipts if response is None else response
            at = end
        self._rest = data[at:]


def authorization(settings: Settings) -> str:
    """One gateway's proof to another: made from the setting ``token``, which both have."""
    return "Gateway " + hashlib.sha256(f"forwarded {settings.token}".encode()).hexdigest()
