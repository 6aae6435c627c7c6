"""Compares the names with the events and with what clients recorded. It shares no code with the writers.

Times of clients are of the monotonic clock, those of records of the machine's; all processes share both.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tests.chaos.checker import CLOSING, LOAN, Checker, Logged
from tests.chaos.history import NEVER, Call, Return
from tests.chaos.names_log import NameRecord, lives, users_of

ENDING = ("erased", "forgotten")
BEGUN = ("closing", "waiting")


class NamesChecker:
    """Adds violations to those of ``checker``, which has checked the events, with user ids, before."""

    def __init__(
        self, checker: Checker, records: Sequence[NameRecord], patrons: Mapping[str, Call], epoch_ns: int
    ) -> None:
        """``epoch_ns``: the machine's clock at the zero of the monotonic one."""
        self.checker, self.records, self.patrons, self._epoch_ns = checker, records, patrons, epoch_ns
        self._users, self._lives = users_of(records), lives(records)
        self._forgotten_at = {one.token: one.time for one in records if one.kind == "forgotten"}

    def check(self) -> None:
        """Find all violations."""
        self._check_tokens()
        for token, life in self._lives.items():
            self._check_life(token, life)
        self._check_events()
        for call in self.patrons.values():
            for one in call.returns:
                self._check_answer(call, one)
        self._check_refusals()

    def require_nobody(self) -> None:
        """Everybody was forgotten at last: each erasure that was begun had to end when it was repeated."""
        for token, life in self._lives.items():
            if life[-1].kind not in ENDING:
                self.checker.bad("an erasure that did not end when it was repeated", token, life[-1])

    def _check_tokens(self) -> None:
        living: dict[str, str] = {}
        for record in self.records:
            if record.kind in ENDING:
                living = {user: token for user, token in living.items() if token != record.token}
            elif living.setdefault(record.user_id, record.token) != record.token:
                self.checker.bad("a borrower with two living tokens", record, living[record.user_id])

    def _check_life(self, token: str, life: Sequence[NameRecord]) -> None:
        kinds = [record.kind for record in life]
        if kinds.count("erased") != kinds.count("forgotten") or kinds.count("erased") > 1:
            self.checker.bad("not one tombstone with one record that says when", token, kinds)
        for before, record in pairwise(life):
            if record.kind == "erased" and before.kind not in BEGUN:
                self.checker.bad("a borrower who was forgotten without being closed before", token, kinds)
            if before.kind in ENDING and record.kind not in ENDING:
                self.checker.bad("a forgotten token that has a name again", token, kinds)
        if "erased" in kinds and not self._was_asked_for(token, self._forgotten_at.get(token, 0)):
            self.checker.bad("a borrower whom nobody asked to forget", token, kinds)

    def _was_asked_for(self, token: str, until_ms: int) -> bool:
        user_id = self._users.get(token)
        return any(
            call.command["type"] == "ForgetPatron"
            and call.command["user_id"] == user_id
            and self._ms(call.first_called) <= until_ms
            for call in self.patrons.values()
        )

    def _check_events(self) -> None:
        lent: dict[tuple[str, str], Logged] = {}
        for event in self.checker.log:
            if not (token := event.patron):
                continue
            if token not in self._users:
                self.checker.bad("an event of a token without a name", event)
            if event.time > self._forgotten_at.get(token, event.time):
                self.checker.bad("an event of a borrower who was forgotten before", event)
            if event.type == LOAN:
                lent[event.isbn, token] = event
            elif event.type in ("BookReturned", "CopiesWithdrawn"):
                lent.pop((event.isbn, token), None)
        for (_, token), event in lent.items():
            if token in self._forgotten_at:
                self.checker.bad("an open loan of a forgotten borrower", event)

    def _check_answer(self, call: Call, one: Return) -> None:
        told = one.receipt or {}
        if one.what == "forgotten" and self._forgotten_at.get(told["patron"]) != told["at"]:
            self.checker.bad("an accepted erasure that the names don't have", call.command, told)
        if one.what == "unwritable" and not self.checker.intruded_on(one):
            self.checker.bad("'unwritable', though no foreign transaction was open", call.command, one)
        for isbn in told.get("isbns", ()):
            user_id = call.command["user_id"]
            if not self.checker.had_on_loan(isbn, user_id, one.called, one.returned):
                self.checker.bad("a loan in the way of an erasure that no state explains", call.command, one)
        if one.what == "closing" and told["isbns"]:
            self._check_waiting(told["patron"], self._ms(one.returned) + 1)

    def _check_waiting(self, token: str, from_ms: int) -> None:
        """Nothing is lent from the time at which the erasure was confirmed until it is taken back."""
        life = self._lives.get(token, [])
        before = [record for record in life if record.time < from_ms]
        if not before or before[-1].kind != "waiting":
            # It was taken back, or has ended, before the answer came
            return
        until_ms = next((record.time for record in life[len(before) :]), NEVER)
        for event in self.checker.log:
            if event.patron == token and event.type == LOAN and from_ms <= event.time < until_ms:
                self.checker.bad("a loan after the erasure was confirmed", event, token)

    def _check_refusals(self) -> None:
        """A loan is refused only to a borrower whose erasure has begun by then."""
        for call in self.checker.calls.values():
            for one in call.returns:
                if one.what == "refused" and one.code == CLOSING and not self._had_begun(call, one):
                    self.checker.bad("refused to a borrower who is not being forgotten", call.command, one)

    def _had_begun(self, call: Call, one: Return) -> bool:
        user_id, until_ms = call.command["user_id"], self._ms(one.returned)
        return any(r.kind in BEGUN and r.user_id == user_id and r.time <= until_ms for r in self.records)

    def _ms(self, monotonic_ns: int) -> int:
        return (monotonic_ns + self._epoch_ns) // 1_000_000
