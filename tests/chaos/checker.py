"""Compares the log with the outcomes that clients recorded. It shares no code with the writers.

The log gives each title's states in order; every answer must fit one of them, at a moment during its call.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from confluent_kafka import Message
from msgspec import Struct
from msgspec.structs import asdict

from eventstore.append.catch_up import FOREIGN_IS_OPEN
from schemas.codec import decode
from tests.chaos.history import NEVER, Call, Return
from tests.chaos.model import NOTHING, UNCHANGED, Title, after, carries_out, possible

DAY_MS = 24 * 3600 * 1000
LOAN = "BookBorrowed"
CLOSING = "patron_closing"
"""The refusal of a loan that the title's state allows, because the borrower is being forgotten."""


class Logged(Struct, frozen=True):
    """One event of the log, as plain values."""

    partition: int
    offset: int
    time: int
    key: str
    command_id: str
    type: str
    event: dict[str, Any]
    patron: str = ""
    """The borrower's token, where ``event`` has the user id instead."""

    @property
    def isbn(self) -> str:
        """Its title."""
        return str(self.event["isbn"])


def logged(message: Message) -> Logged:
    """Decode a record of the log."""
    event = decode(message.value())
    headers: dict[str, Any] = dict(message.headers())
    command_id = headers["command_id"].decode()
    fields = asdict(event)
    return Logged(
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key().decode(),
        command_id,
        type(event).__name__,
        fields,
    )


class _Line:
    """States of a title in the order of the log, and when each can have been the newest."""

    def __init__(self, states: list[Title], called: list[int], answered: list[int]) -> None:
        self.states, self._called = states, called
        # The earliest moment when this event or a later one was certain
        self._known = list(accumulate(reversed(answered), min))[::-1]

    def versions(self, begin: int, end: int) -> Iterator[int]:
        """Versions that can have been the newest at some moment between two times.

        All events up to it were called before the end, and none after it was answered before the begin.
        """
        version = bisect_left(self._known, begin)
        yield version
        while version < len(self._called) and self._called[version] < end:
            version += 1
            yield version


class Checker:
    """Counts violations by kind, and keeps an example of each."""

    def __init__(
        self,
        log: Iterable[Logged],
        calls: Mapping[str, Call],
        imported: Collection[str] = (),
        intruded: Collection[tuple[int, int]] = (),
        forgotten: Collection[str] = (),
    ) -> None:
        """``imported`` are titles that an importer has brought in, and nobody else touches.

        ``intruded`` are times (ns) at which a foreign transaction had been open for longer than the writers'.
        ``forgotten`` are the tokens of forgotten borrowers.
        """
        self.forgotten = forgotten
        self.log, self.calls, self.imported, self.intruded = list(log), calls, imported, intruded
        self.violations: Counter[str] = Counter()
        self.examples: dict[str, Any] = {}
        self._events: dict[str, list[Logged]] = defaultdict(list)
        self._lines: dict[str, _Line] = {}
        self._of_command: dict[str, list[Logged]] = defaultdict(list)
        for event in self.log:
            self._events[event.isbn].append(event)
            self._of_command[event.command_id].append(event)

    def check(self) -> Counter[str]:
        """Find all violations."""
        self._check_times()
        for isbn, events in self._events.items():
            if isbn not in self.imported:
                self._check_title(isbn, events)
        for isbn in self.imported:
            if [event.key for event in self._events.get(isbn, [])] != [f"{isbn}/1"]:
                self.bad("an imported title that was not added exactly once", isbn)
        for call in self.calls.values():
            self._check_call(call)
        self._check_order()
        return self.violations

    def bad(self, what: str, *example: object) -> None:
        """Count a violation."""
        self.violations[what] += 1
        self.examples.setdefault(what, example)

    def _check_times(self) -> None:
        last: dict[int, int] = {}
        for event in self.log:
            if event.time < last.get(event.partition, 0):
                self.bad("time runs backwards in a partition", event)
            if event.time != event.event["timestamp"]:
                self.bad("the record's time is not the event's", event)
            due = event.event.get("due_at")
            if due is not None and due != (event.time // DAY_MS + 22) * DAY_MS - 1:
                self.bad("wrong due date", event)
            last[event.partition] = event.time

    def _check_title(self, isbn: str, events: list[Logged]) -> None:
        """Check versions for gaps, and each event against the state before it and its command."""
        state = NOTHING
        states = [state]
        for event in events:
            if event.key != f"{isbn}/{state.version + 1}":
                self.bad("versions are not 1, 2, 3 …", event.key, state.version + 1)
            call = self.calls.get(event.command_id)
            if call is None:
                self.bad("an event of no command", event)
            elif event.type not in possible(state, call.command):
                self.bad("an event that the state before it forbids", event, state)
            elif not carries_out(call.command, event.event, state):
                self.bad("an event that its command did not ask for", event, call.command)
            state = after(state, event.type, event.event)
            states.append(state)
        called = [self._called(event) for event in events]
        self._lines[isbn] = _Line(states, called, [self._answered(event) for event in events])

    def _check_call(self, call: Call) -> None:
        events = self._of_command.get(call.command_id, [])
        if len(events) > 1:
            self.bad("a command took effect more than once", events)
        for one in call.returns:
            if one.what == "accepted":
                self._check_accepted(call, one, events)
            elif one.what == "refused":
                code = LOAN if one.code == CLOSING else one.code
                if events and not _accepted_later(call, one):
                    self.bad("an event of a refused command", call.command, events)
                if not self._held_during(call, one, code):
                    self.bad("a refusal that no state during the call explains", call.command, one)
            elif one.what == "unwritable":
                if not self.intruded_on(one):
                    self.bad(
                        "'unwritable', though no foreign transaction was open for long", call.command, one
                    )
            elif one.what == "reused":
                self._check_reused(call, one, events)
            elif one.what != "unknown":
                self.bad(f"an answer that was not to come: {one.what}", call.command)

    def _check_reused(self, call: Call, one: Return, events: list[Logged]) -> None:
        """The answer to the repeat of a command whose borrower was forgotten since."""
        if not events or not events[0].patron:
            self.bad("'reused', though no event has a borrower of that command", call.command, one)
        elif events[0].patron not in self.forgotten:
            self.bad("'reused', though the borrower was not forgotten", call.command, one)

    def intruded_on(self, one: Return) -> bool:
        """Whether a foreign transaction explains that nothing could be written."""
        overlaps = any(since < one.returned and one.called < until for since, until in self.intruded)
        return overlaps and one.code.startswith(FOREIGN_IS_OPEN)

    def _check_accepted(self, call: Call, one: Return, events: list[Logged]) -> None:
        assert one.receipt is not None
        if not one.receipt["events"]:
            if not self._held_during(call, one, UNCHANGED):
                self.bad("'unchanged', which no state during the call explains", call.command, one)
            return
        told = {
            "events": [[event.type, int(event.key.partition("/")[2])] for event in events],
            "position": f"{events[-1].partition}:{events[-1].offset}" if events else "",
        }
        if not events:
            self.bad("acknowledged, but not in the log", call.command, one)
        elif told != one.receipt:
            self.bad("a receipt that is not what the log says", one.receipt, told)

    def _held_during(self, call: Call, one: Return, answer: str) -> bool:
        """Whether the title had, at a moment between call and return, a state that explains the answer."""
        line = self._lines.get(call.command["isbn"])
        if line is None:
            return answer in possible(NOTHING, call.command)
        return any(
            answer in possible(line.states[version], call.command)
            for version in line.versions(one.called, one.returned)
        )

    def had_on_loan(self, isbn: str, user_id: str, called: int, returned: int) -> bool:
        """Whether the title was on loan to the borrower at a moment between two times."""
        line = self._lines.get(isbn)
        return line is not None and any(
            user_id in line.states[version].loans for version in line.versions(called, returned)
        )

    def _called(self, event: Logged) -> int:
        call = self.calls.get(event.command_id)
        return call.first_called if call else 0

    def _answered(self, event: Logged) -> int:
        """When a client first knew of an event for certain.

        One that changed nothing at first, which is not remembered, may have an effect when it is repeated.
        """
        call = self.calls.get(event.command_id)
        told = [one.returned for one in call.ended("accepted") if one.receipt["events"]] if call else []
        return min(told, default=NEVER)

    def _check_order(self) -> None:
        """Check that an event acknowledged before another command's call precedes that command's event."""
        answered: dict[int, list[tuple[int, int]]] = defaultdict(list)
        called: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for event in self.log:
            answered[event.partition].append((self._answered(event), event.offset))
            called[event.partition].append((self._called(event), event.offset))
        for partition, ends in answered.items():
            ends.sort()
            at, latest = 0, -1
            for begin, offset in sorted(called[partition]):
                while at < len(ends) and ends[at][0] < begin:
                    latest = max(latest, ends[at][1])
                    at += 1
                if offset < latest:
                    self.bad("an event before one that was acknowledged earlier", offset, latest)


def _accepted_later(call: Call, refusal: Return) -> bool:
    """Whether the command was repeated after a refusal and accepted: no refusal is remembered."""
    accepted = (one for one in call.ended("accepted") if one.receipt["events"])
    return any(one.called > refusal.returned for one in accepted)
