"""Records of clients' calls, safe against kills: one line before each call and one after it.

Times are of the system's monotonic clock (ns), which all processes of a machine share.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Refused, Reused, Unwritable
from inventory.patrons import PatronState
from producer.names.forgetting import PatronResult

NEVER = 1 << 62


class Return(Struct, frozen=True):
    """How one attempt ended; ``what`` is accepted, refused, unknown, or another kind of outcome."""

    called: int
    returned: int
    what: str
    code: str = ""
    receipt: dict[str, Any] | None = None


class Call(Struct):
    """One command of one client with all its attempts; ``called`` are their times.

    The outcome of one about a borrower is a state, such as ``forgotten``; its receipt has the token.
    """

    command_id: str
    client: str
    command: dict[str, Any]
    called: list[int]
    returns: list[Return]

    @property
    def first_called(self) -> int:
        """When the first attempt began."""
        return self.called[0]

    def ended(self, what: str) -> list[Return]:
        """The attempts with this outcome."""
        return [one for one in self.returns if one.what == what]


class Read(Struct, frozen=True):
    """One answer of a query API about one title.

    ``after`` is the position that the answer had to include, ``position`` the one that it said it includes;
    ``row`` is the answer's JSON document.
    """

    client: str
    isbn: str
    api: str
    after: str
    called: int
    returned: int
    status: int
    position: str
    row: dict[str, Any]


class Recorder:
    """Appends to a client's file; a killed process loses nothing that it wrote."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def called(self, command_id: str, command: dict[str, Any]) -> None:
        """Record that a command is about to be submitted."""
        self._line({"call": command_id, "command": command})

    def returned(self, command_id: str, outcome: Outcome) -> None:
        """Record the outcome of an attempt."""
        line: dict[str, Any] = {"return": command_id}
        match outcome:
            case Accepted(receipt):
                events = [[event.type, event.version] for event in receipt.events]
                line |= {"what": "accepted", "receipt": {"events": events, "position": receipt.position}}
            case Refused(rejection):
                line |= {"what": "refused", "code": rejection.code}
            case OutcomeUnknown():
                line |= {"what": "unknown"}
            case Unwritable(reason):
                line |= {"what": "unwritable", "code": reason}
            case Reused():
                line |= {"what": "reused"}
            case other:
                assert_never(other)
        self._line(line)

    def returned_about_patron(self, command_id: str, result: PatronResult) -> None:
        """Record the outcome of an attempt of a command about a borrower."""
        match result:
            case PatronState():
                state = {"patron": result.patron, "at": result.forgotten_at, "isbns": result.isbns}
                self._line({"return": command_id, "what": result.state, "receipt": state})
            case OutcomeUnknown():
                self._line({"return": command_id, "what": "unknown"})
            case Unwritable(reason):
                self._line({"return": command_id, "what": "unwritable", "code": reason})
            case other:
                assert_never(other)

    def read(self, one: Read) -> None:
        """Record an answer of a query API."""
        self._line({"read": asdict(one)})

    def _line(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps({**line, "at": time.monotonic_ns()}).encode() + b"\n")


def as_json(command: Struct) -> dict[str, Any]:
    """A command as the JSON that is sent."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(command))
    return decoded


class Recorded(NamedTuple):
    """Everything that clients recorded: calls about titles and about borrowers by command id, and reads."""

    calls: dict[str, Call]
    patrons: dict[str, Call]
    reads: list[Read]


def read(files: Iterable[Path]) -> Recorded:
    """Read clients' files; skip a line that a kill has truncated."""
    calls: dict[str, Call] = {}
    reads = []
    for file in files:
        for text in file.read_text("utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if command_id := line.get("call"):
                call = calls.setdefault(command_id, Call(command_id, file.stem, line["command"], [], []))
                call.called.append(line["at"])
            elif seen := line.get("read"):
                reads.append(msgspec.convert(seen, Read))
            else:
                call = calls[line["return"]]
                more = (line["what"], line.get("code", ""), line.get("receipt"))
                call.returns.append(Return(call.called[-1], line["at"], *more))
    patrons = {id_: call for id_, call in calls.items() if "isbn" not in call.command}
    return Recorded({id_: call for id_, call in calls.items() if id_ not in patrons}, patrons, reads)
