"""What a writer is given and what it answers: one outcome for each command."""

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from eventstore.headers import CARRIED
from inventory import commands
from inventory.commands import Command
from inventory.rules import Rejection
from inventory.texts import Malformed, line

COMMAND_ID_LENGTH = 200
CARRIED_LENGTH = 1_000


class Submitted(Struct, frozen=True):
    """A checked command with its id, its digest, and the headers its caller wants on its events."""

    command_id: str
    command: Command
    digest: str
    carried: dict[str, str] = {}


def submit(command_id: str, command: Command, carried: Mapping[str, str] | None = None) -> Submitted:
    """Make a checked command ready for a writer. Raises Malformed for a bad id or a bad carried header."""
    command_id, headers = checked_envelope(command_id, carried)
    return Submitted(command_id, command, commands.digest(command), headers)


def checked_envelope(command_id: str, carried: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The trimmed id and carried headers of a command. Raises Malformed."""
    headers = dict(carried or {})
    for name, value in headers.items():
        if name not in CARRIED:
            raise Malformed(name[:40], f"only {', '.join(CARRIED)} are carried, not {name[:40]!r}")
        headers[name] = line(name, value, CARRIED_LENGTH)
    return line("command_id", command_id, COMMAND_ID_LENGTH), headers


class Appended(Struct, frozen=True, gc=False):
    """One event of a receipt."""

    type: str
    version: int


class Receipt(Struct, frozen=True):
    """Proof of an accepted command: its events, and the position ``partition:offset`` of the last one.

    Without events the inventory was as the command wants it already; the position is then the last offset
    of the partition that the decision was made on.
    """

    command_id: str
    isbn: str
    events: tuple[Appended, ...]
    position: str


class Accepted(Struct, frozen=True):
    """The command is done; ``replayed``: it was done before, and this is the first answer again."""

    receipt: Receipt
    replayed: bool = False


class Refused(Struct, frozen=True):
    """A rule says no; the same command may be accepted later."""

    rejection: Rejection


class Reused(Struct, frozen=True):
    """The title has had a command with this id and another payload; nothing was written."""

    command_id: str


class Unwritable(Struct, frozen=True):
    """Nothing was written, and a repeat won't help until somebody acts; ``reason`` says who and how."""

    reason: str


class OutcomeUnknown(Struct, frozen=True):
    """The deadline came first: repeat with the same command id.

    ``sent`` False: this call has appended nothing, so a command that was never submitted before is not done.
    """

    reason: str
    sent: bool = True


Outcome: TypeAlias = Accepted | Refused | Reused | Unwritable | OutcomeUnknown
