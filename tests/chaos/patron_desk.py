"""The part of a client of a chaos run that registers, forgets and keeps borrowers."""

import random
import time
from collections.abc import Callable, Mapping

import msgspec

from eventstore.state.outcomes import OutcomeUnknown
from foundation.settings import Settings
from inventory.commands import checked_patron
from inventory.patrons import AddPatron, ForgetPatron, KeepPatron, PatronCommand
from producer.client import execute_about_patron
from producer.gateway.call import call_gateway_about_patron
from producer.names.forgetting import PatronResult, carry_out, finish, forget
from producer.names.names import Names
from tests.chaos.history import Call, Recorder, as_json

USERS = ("ann-0048213", "bob-0048214", "eve-0048215", "joe-0048216")
"""Borrowers. No random token and no word of a record contains one of these."""
DEADLINE_S = 20.0
SHARE = 0.25
"""Of the client's turns in which it gives such a command: each erasure claims every partition."""


class PatronDesk:
    """Gives commands about borrowers through gateways, or with fences of its own.

    ``calls`` are those of the client's earlier lives: what has no certain answer is repeated first.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        recorder: Recorder,
        randomness: random.Random,
        calls: Mapping[str, Call],
        reached: Callable[[str], None],
    ) -> None:
        self._settings, self._name, self._recorder = settings, name, recorder
        self._random, self._reached = randomness, reached
        self._pending = {
            id_: msgspec.convert(call.command, PatronCommand)
            for id_, call in calls.items()
            if all(one.what == "unknown" for one in call.returns)
        }
        self.names: Names | None = self._opened()
        self.returned = list[str]()
        """Tokens whose loans our own writers have closed; an empty one means any."""

    def serve(self) -> None:
        """Sometimes give a command, and end the erasures that waited for our own returns."""
        if self._pending:
            id_ = next(iter(self._pending))
            self.submit(id_, self._pending.pop(id_))
        elif self._random.random() < SHARE:
            self.submit(f"{self._name}-{self._random.getrandbits(64):x}", self._command())
        self._end_erasures()

    def submit(self, id_: str, command: PatronCommand) -> PatronResult:
        """Give a command, and record it."""
        self._recorder.called(id_, as_json(command))
        result = self._carried_out(id_, checked_patron(command))
        self._recorder.returned_about_patron(id_, result)
        if isinstance(result, OutcomeUnknown):
            self._pending[id_] = command
            time.sleep(0.05)
        return result

    def leave(self) -> None:
        """Give the fence of the names up. The next command reads all of them, as a new process does."""
        if self.names is not None:
            self.names.close()
        self.names = self._opened()

    def _opened(self) -> Names | None:
        return None if self._settings.gateway else Names(self._settings, reached=self._reached)

    def _command(self) -> PatronCommand:
        user = self._random.choice(USERS)
        commands = (ForgetPatron(user), ForgetPatron(user, True), KeepPatron(user), AddPatron(user))
        (command,) = self._random.choices(commands, (4, 4, 1, 1))
        return command

    def _carried_out(self, id_: str, command: PatronCommand) -> PatronResult:
        if self.names is None:
            if len(self._settings.gateway_urls) > 1:
                return execute_about_patron(
                    msgspec.structs.replace(self._settings, deadline=DEADLINE_S), id_, command
                )
            return call_gateway_about_patron(self._settings, self._settings.gateway, id_, command, DEADLINE_S)
        if isinstance(command, ForgetPatron):
            return forget(
                self.names,
                command.user_id,
                DEADLINE_S,
                when_returned=command.when_returned,
                reached=self._reached,
            )
        return carry_out(self.names, command, DEADLINE_S)

    def _end_erasures(self) -> None:
        """As the command line does after a return."""
        returned, self.returned[:] = set(self.returned), []
        if self.names is None or not returned:
            return
        for token, closing in list(self.names.directory.closing.items()):
            if closing.when_returned and (token in returned or "" in returned):
                finish(self.names, token, DEADLINE_S, reached=self._reached)
