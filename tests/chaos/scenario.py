"""Two writers and an intruder in a fixed order: every situation that the protocol must handle, once.

Random chaos meets these situations by chance; here they come every time, so that a writer with a step left
out is caught in a second.
"""

import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from eventstore.append.writer import Writer
from eventstore.state.outcomes import OutcomeUnknown, Submitted
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from producer.writers import decider_of
from tests.chaos.checker import Checker, logged
from tests.chaos.history import Recorder, as_json, read
from tests.chaos.history_file import write_history
from tests.support.producer.writer_calls import ISBN, command, committed_records, foreign_producer

SCENE = "scene.jsonl"
SHORT, LONG = 1.0, 20.0
"""Deadlines in seconds: while a foreign transaction is open, and otherwise."""


class Client:
    """A caller with its own writer; its calls are recorded."""

    def __init__(self, writer: Writer, recorder: Recorder) -> None:
        self.writer, self._recorder = writer, recorder

    def submit(self, one: Submitted, seconds: float = LONG) -> None:
        """Submit a command, the first time or again."""
        self._recorder.called(one.command_id, as_json(one.command))
        (outcome,) = self.writer.execute([one], seconds)
        self._recorder.returned(one.command_id, outcome)

    def give_up_on(self, one: Submitted) -> None:
        """Record a call that nobody answered."""
        self._recorder.called(one.command_id, as_json(one.command))
        self._recorder.returned(one.command_id, OutcomeUnknown("no answer in time"))

    def __call__(self, what: Command) -> Submitted:
        """Submit a new command."""
        one = command(what)
        self.submit(one)
        return one


def play(settings: Settings, make: Callable[..., Writer], folder: Path) -> Checker:
    """Play the scenario with writers from ``make``; return the checker with its violations."""
    recorder = Recorder(folder / SCENE)
    ann, bob = (Client(make(settings, 0, decider_of(settings)), recorder) for _ in range(2))
    ann(AddBook(ISBN, "Title", "Author", 1))
    borrowed = bob(BorrowBook(ISBN, "bob"))
    # Ann's writer was fenced without knowing it, and refuses: nothing is appended that Kafka could reject
    ann(ReturnBook(ISBN, "bob"))
    ann(BorrowBook(ISBN, "ann"))
    # Bob's writer was fenced too, and appends on an old state
    bob(BorrowBook(ISBN, "eve"))
    ann(ReturnBook(ISBN, "ann"))
    # Bob's first command again, which was accepted before
    bob.submit(borrowed)
    ann(ReturnBook(ISBN, "bob"))

    intruder = foreign_producer(settings, f"intruder-{settings.name}")
    intruder.begin_transaction()
    intruder.produce(events_topic(settings), b"", b"intruder", 0)
    intruder.flush()
    late = [(ann, command(BorrowBook(ISBN, "ann"))), (bob, command(BorrowBook(ISBN, "bob")))]
    for client, one in late:
        client.submit(one, SHORT)
    intruder.abort_transaction(LONG)
    for client, one in late:
        client.submit(one)

    # Ann's writer is frozen before it begins. Her client turns to bob's, whose refusal is final
    late_one, expiry_ms = command(BorrowBook(ISBN, "eve")), int(1000 * time.time())
    ann.give_up_on(late_one)
    bob.submit(late_one)
    bob(ReturnBook(ISBN, "ann"))
    bob(ReturnBook(ISBN, "bob"))
    ann.writer.execute([replace(late_one, expires_at_ms=expiry_ms)], LONG)

    for client in (ann, bob):
        client.writer.close()
    log = [logged(message) for message in committed_records(settings)]
    checker = Checker(log, read([folder / SCENE]).calls)
    checker.check()
    return checker


def write_scene(checker: Checker, folder: Path, mutant: str = "") -> Path:
    """Write the history of a scenario that was played in ``folder``; return its file."""
    file = folder / f"{mutant.replace(' ', '-') or 'scenario'}.jsonl.gz"
    now = time.monotonic_ns()
    header = {"seed": 0, "brokers": 1, "mutant": mutant}
    write_history(file, header, read([folder / SCENE]), checker.log, (now, now))
    return file
