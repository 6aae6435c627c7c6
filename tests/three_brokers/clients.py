"""Clients that go on whatever happens: each a thread with its own writers, all after the same few titles."""

import random
import threading
import time
from uuid import uuid4

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import OutcomeUnknown, submit
from foundation.settings import Settings
from inventory.commands import AddCopies, BorrowBook, Command, ReturnBook
from producer.writers import writer_of
from tests.three_brokers.history import Call

DEADLINE = 30.0


class Clients:
    """``count`` of them. ``history`` has all their calls. A call with an unknown outcome is repeated."""

    def __init__(self, settings: Settings, isbns: list[str], count: int) -> None:
        self.history: list[Call] = []
        self._settings, self._isbns = settings, isbns
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=[number]) for number in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def answered(self) -> int:
        """How many commands have a definite outcome."""
        return sum(each.outcome is not None for each in self.history)

    def stop(self) -> None:
        """Wait until each has its last answer."""
        self._ended.set()
        for thread in self._threads:
            thread.join(4 * DEADLINE)

    def _work(self, number: int) -> None:
        dice = random.Random(number)
        writers: dict[int, Writer] = {}
        while not self._ended.is_set():
            call = Call(uuid4().hex, self._command(dice), time.monotonic())
            self.history.append(call)
            partition = partition_of(call.command.isbn, self._settings.partitions)
            if partition not in writers:
                writers[partition] = writer_of(self._settings, partition)
            self._submit(call, writers[partition])
        for writer in writers.values():
            writer.close()

    def _command(self, dice: random.Random) -> Command:
        isbn, user = dice.choice(self._isbns), f"user-{dice.randrange(4)}"
        kind = dice.choices([BorrowBook, ReturnBook, AddCopies], [10, 9, 1])[0]
        return AddCopies(isbn, 1) if kind is AddCopies else kind(isbn, user)

    def _submit(self, call: Call, writer: Writer) -> None:
        give_up = time.monotonic() + 3 * DEADLINE
        while time.monotonic() < give_up:
            (outcome,) = writer.execute([submit(call.command_id, call.command)], DEADLINE)
            if not isinstance(outcome, OutcomeUnknown):
                call.answered, call.outcome = time.monotonic(), outcome
                return
