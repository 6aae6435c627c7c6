"""Commands as a writer takes them, and one outcome for each."""

import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from eventstore.decider import Rejection
from eventstore.headers import ACTOR, CARRIED
from foundation.text import Malformed, line

COMMAND_ID_MAX_CHARS = 200
CARRIED_MAX_CHARS = 1_000
ACTOR_MAX_CHARS = 200


class Submitted(Struct, frozen=True):
    """A checked command with its id, and the headers that its caller wants on its events."""

    command_id: str
    command: Any
    carried: dict[str, str] = {}
    expires_at_ms: int | None = None
    """From this time on no writer begins to decide it: somebody else may have refused it then."""


def submit(
    command_id: str,
    command: Struct,
    carried: Mapping[str, str] | None = None,
    expires_at_ms: int | None = None,
) -> Submitted:
    """Make a checked command ready for a writer. Raises Malformed for a bad id or a bad carried header."""
    command_id, headers = checked_envelope(command_id, carried)
    return Submitted(command_id, command, headers, expires_at_ms)


def checked_envelope(command_id: str, carried: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The trimmed id and carried headers of a command. Raises Malformed."""
    headers = dict(carried or {})
    for name, value in headers.items():
        if name not in CARRIED:
            raise Malformed(name[:40], f"only {', '.join(CARRIED)} are carried, not {name[:40]!r}")
        headers[name] = checked_actor(value) if name == ACTOR else line(name, value, CARRIED_MAX_CHARS)
    if headers.get(ACTOR) == "":
        del headers[ACTOR]
    return line("command_id", command_id, COMMAND_ID_MAX_CHARS), headers


def checked_actor(name: str) -> str:
    """The trimmed name of somebody who sends commands; empty where nobody is named. Raises Malformed."""
    return line(ACTOR, name, ACTOR_MAX_CHARS, empty=True, visible=True)


def digest(command: Struct) -> str:
    """Fingerprint of a checked command. It distinguishes a repeat from another use of the command id."""
    return hashlib.sha256(_encode(command)).hexdigest()[:32]


_encode = msgspec.json.Encoder().encode


class Appended(Struct, frozen=True, gc=False):
    """One event of a receipt."""

    type: str
    version: int


class Receipt(Struct, frozen=True):
    """Proof of an accepted command: its events, and the position ``partition:offset`` of the last one.

    A receipt without events means that the state was already as the command wants it. Its position is then
    the last offset that the decision is based on. ``actor`` is whom the events name; it is empty where nobody
    was named, or where nothing was done. ``leaf`` is the hash of the last event's record in hexadecimal, as
    signed checkpoints cover it; empty without events.
    """

    command_id: str
    stream: str
    events: tuple[Appended, ...]
    position: str
    actor: str = ""
    leaf: str = ""


class Accepted(Struct, frozen=True):
    """The command is done. ``replayed``: an earlier attempt did it, and this is the first answer again."""

    receipt: Receipt
    replayed: bool = False


class Refused(Struct, frozen=True):
    """A rule refuses the command. The same command may be accepted later."""

    rejection: Rejection


class Reused(Struct, frozen=True):
    """The stream has had a command with this id and another payload. Nothing was written."""

    command_id: str


class Unwritable(Struct, frozen=True):
    """Nothing was written, and a repeat will not help until somebody acts. ``reason`` has the remedy."""

    reason: str


class OutcomeUnknown(Struct, frozen=True):
    """The deadline passed before the outcome was certain: repeat with the same command id.

    ``sent`` False: this call appended nothing, so a command that was never submitted before is not done.
    """

    reason: str
    sent: bool = True


Outcome: TypeAlias = Accepted | Refused | Reused | Unwritable | OutcomeUnknown
