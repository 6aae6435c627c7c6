"""Records of clients' calls, safe against kills: one line before each call and one after it.

Times are of the system's monotonic clock (ns), which all processes of a machine share.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Refused, Unwritable

NEVER = 1 << 62


class Return(Struct, frozen=True):
    """How one attempt ended; ``what`` is accepted, refused, unknown, or another kind of outcome."""

    called: int
    returned: int
    what: str
    code: str = ""
    receipt: dict[str, Any] | None = None


class Call(Struct):
    """One command of one client with all its attempts."""

    command_id: str
    command: dict[str, Any]
    first_called: int
    last_called: int
    returns: list[Return]

    def ended(self, what: str) -> list[Return]:
        """The attempts with this outcome."""
        return [one for one in self.returns if one.what == what]


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
            case other:
                line |= {"what": type(other).__name__}
        self._line(line)

    def _line(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps({**line, "at": time.monotonic_ns()}).encode() + b"\n")


def read(files: Iterable[Path]) -> dict[str, Call]:
    """Read all calls by command id; skip a line that a kill has truncated."""
    calls: dict[str, Call] = {}
    for file in files:
        for text in file.read_text("utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if command_id := line.get("call"):
                known = calls.get(command_id)
                if known is None:
                    calls[command_id] = Call(command_id, line["command"], line["at"], line["at"], [])
                else:
                    known.last_called = line["at"]
            else:
                call = calls[line["return"]]
                more = (line["what"], line.get("code", ""), line.get("receipt"))
                call.returns.append(Return(call.last_called, line["at"], *more))
    return calls
