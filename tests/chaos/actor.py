"""A client process of a chaos run: submits random commands and records the outcomes.

It may be killed at any moment, by itself at a step of the protocol too. Started again under its name it
first repeats what it has no certain answer to, as a careful caller does.
"""

import http.client
import os
import random
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Submitted, submit
from foundation.settings import Settings
from inventory.commands import (
    AddBook,
    AddCopies,
    BorrowBook,
    Command,
    CorrectDetails,
    RemoveBook,
    RenewLoan,
    ReturnBook,
    WithdrawCopies,
    from_json,
)
from producer.client import execute
from producer.gateway.responses import parse_response
from producer.names.boundary import NamesBoundary, guarded
from producer.writers import decider_of, snapshot_of
from tests.chaos.history import Call, Recorder, as_json, read
from tests.chaos.mutants import MUTANTS, names_mutant
from tests.chaos.patron_desk import DEADLINE_S, USERS, PatronDesk
from tests.chaos.reader import Reader
from tests.chaos.short_timeouts import shorten_timeouts

TITLES = (
    "9780000000101",
    "9780000000118",
    "9780000000125",
    "9780000000132",
    "9780000000149",
    "9780000000156",
)


class Role(Struct, frozen=True):
    """What an actor does until the file ``stop`` exists; ``kind`` is long, oneshot or gateway.

    One with ``apis`` also reads from these query APIs what it has written.
    """

    settings: Settings
    kind: str
    name: str
    folder: str
    seed: int
    stop: str
    transaction_timeout: float
    bound_to: str
    sizes: tuple[int, ...]
    mutant: str = ""
    apis: tuple[str, ...] = ()


class Actor:
    """One client."""

    def __init__(self, role: Role) -> None:
        self.role, self.random = role, random.Random(role.seed)
        file = Path(role.folder, f"{role.name}.jsonl")
        recorded = read([file] if file.exists() else [])
        calls = recorded.calls
        certain = [id_ for id_, call in calls.items() if any(one.what != "unknown" for one in call.returns)]
        self.accepted = [id_ for id_ in certain if calls[id_].ended("accepted")][-20:]
        self.commands = {
            id_: submit(id_, from_json(msgspec.json.encode(call.command))) for id_, call in calls.items()
        }
        self.pending = [self.commands[id_] for id_ in calls if id_ not in set(certain)]
        self.recorder = Recorder(file)
        self.writers: dict[int, Writer] = {}
        self.desk = self._desk(recorded.patrons)
        self.reader = Reader(role.name, role.apis, self.recorder, self.random)

    def live(self) -> None:
        """Submit commands until the run ends."""
        stop = Path(self.role.stop)
        while not stop.exists():
            batch = self._batch()
            for one in batch:
                self.recorder.called(one.command_id, as_json(one.command))
            for one, outcome in zip(batch, self._executed(batch), strict=True):
                self.recorder.returned(one.command_id, outcome)
                if isinstance(outcome, OutcomeUnknown):
                    self.pending.append(one)
                elif isinstance(outcome, Accepted):
                    self.accepted.append(one.command_id)
                    self.commands[one.command_id] = one
                    self.reader.include(outcome.receipt.position)
            if self.role.apis:
                for isbn in (batch[0].command.isbn, *self.random.choices(TITLES, k=5)):
                    self.reader.read(isbn)
            self.desk.serve()
            time.sleep(self.random.choice((0, 0, 0.01, 0.05)))
            if self.role.kind == "oneshot":
                self._leave()
                time.sleep(self.random.uniform(0, 0.3))
        self._leave()

    def _desk(self, patrons: dict[str, Call]) -> PatronDesk:
        role = self.role
        return PatronDesk(role.settings, role.name, self.recorder, self.random, patrons, self._reached)

    def _batch(self) -> list[Submitted]:
        """Commands for one partition: pending ones first, otherwise new ones and sometimes a repeat."""
        if self.pending:
            batch = [one for one in self.pending if self._partition(one) == self._partition(self.pending[0])]
            self.pending = [one for one in self.pending if one not in batch]
            return batch
        partition = partition_of(self.random.choice(TITLES), self.role.settings.partitions)
        titles = [t for t in TITLES if partition_of(t, self.role.settings.partitions) == partition]
        size = 1 if self.role.kind == "gateway" else self.random.choice(self.role.sizes)
        batch = [
            submit(f"{self.role.name}-{self.random.getrandbits(64):x}", self._command(titles))
            for _ in range(size)
        ]
        if self.accepted and self.random.random() < 0.2:
            again = self.commands[self.random.choice(self.accepted[-20:])]
            if self._partition(again) == partition:
                batch.append(again)
        return batch

    def _command(self, titles: list[str]) -> Command:
        isbn, user = self.random.choice(titles), self.random.choice(USERS)
        number = self.random.randint(1, 3)
        makers = (
            (30, lambda: BorrowBook(isbn, user)),
            (24, lambda: ReturnBook(isbn, user)),
            (4, lambda: ReturnBook(isbn)),
            (12, lambda: AddBook(isbn, "Title", "Author", number)),
            (6, lambda: RemoveBook(isbn)),
            (8, lambda: AddCopies(isbn, number)),
            (6, lambda: WithdrawCopies(isbn, number, "sold")),
            (4, lambda: WithdrawCopies(isbn, 1, "lost", user)),
            (3, lambda: RenewLoan(isbn, user)),
            (3, lambda: CorrectDetails(isbn, title=f"Title {number}")),
        )
        (make,) = self.random.choices([maker for _, maker in makers], [weight for weight, _ in makers])
        return make()

    def _executed(self, batch: list[Submitted]) -> list[Outcome]:
        if self.role.kind == "gateway":
            return [self._posted(one) for one in batch]
        return self._writer(self._partition(batch[0])).execute(batch, DEADLINE_S)

    def _posted(self, one: Submitted) -> Outcome:
        """Send a command to the gateway. No response, or an unclear one, is an unknown outcome.

        With several gateways, as the command line does: to the next one after a gateway's time, at last by a
        fence of its own.
        """
        if len(self.role.settings.gateway_urls) > 1:
            settings = msgspec.structs.replace(self.role.settings, deadline=DEADLINE_S)
            return execute(settings, one.command_id, one.command)
        where = urlsplit(self.role.settings.gateway)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=DEADLINE_S)
        headers = {"Content-Type": "application/json", "Idempotency-Key": one.command_id}
        try:
            connection.request("POST", "/commands", msgspec.json.encode(one.command), headers)
            answer = connection.getresponse()
            outcome = parse_response(answer.status, dict(answer.headers), answer.read(), one.command_id)
            return outcome or OutcomeUnknown(f"status {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            time.sleep(0.05)
            return OutcomeUnknown(str(error))
        finally:
            connection.close()

    def _writer(self, partition: int) -> Writer:
        if partition not in self.writers:
            snapshot = None
            if self.role.kind == "oneshot":
                snapshot = snapshot_of(self.role.settings, partition, self.role.bound_to)
            make = MUTANTS.get(self.role.mutant, Writer)
            names = self.desk.names
            assert names is not None, "clients of gateways have no writers"
            self.writers[partition] = make(
                self.role.settings,
                partition,
                guarded(decider_of(self.role.settings), names),
                snapshot,
                reached=self._reached,
                boundary=NamesBoundary(names, self.desk.returned.append),
            )
        return self.writers[partition]

    def _reached(self, _: str) -> None:
        """At some steps of the protocol, die or pause."""
        chance = self.random.random()
        if chance < 0.002:
            os.kill(os.getpid(), signal.SIGKILL)
        elif chance < 0.01:
            time.sleep(self.random.choice((0.02, 0.1, 0.4)))

    def _leave(self) -> None:
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()
        self.desk.leave()

    def _partition(self, one: Submitted) -> int:
        return partition_of(one.command.isbn, self.role.settings.partitions)


def main() -> None:
    """Play the role on the command line."""
    role = msgspec.json.decode(sys.argv[1], type=Role)
    shorten_timeouts(role.transaction_timeout)
    with names_mutant(role.mutant):
        Actor(role).live()


if __name__ == "__main__":
    main()
