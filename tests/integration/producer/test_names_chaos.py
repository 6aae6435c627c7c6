"""Borrowers are lent to, registered and forgotten by many at once, some of whom are killed or frozen."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from foundation.settings import Settings
from inventory.commands import AddBook, ReturnBook
from inventory.patrons import PatronState
from producer.client import execute
from producer.names.forgetting import forget
from producer.names.names import Names
from schemas.directory import Directory
from schemas.patrons import ROLL_KEY
from schemas.topics import names_topic
from tests.support.freezing import freeze, thaw
from tests.support.producer.gateway_process import running_gateway
from tests.support.producer.named_store import (
    bytes_of_events,
    directory,
    keep_names_apart,
    loans,
    records,
    require_nothing_lent_to_the_forgotten,
)
from tests.support.producer.patron_desk import BORROWERS, ISBNS
from tests.support.producer.writer_calls import SECONDS
from tests.support.waiting import eventually

SEED = 18
DESKS, ROUNDS, COMMANDS_A_ROUND = 4, 8, 12
pytestmark = pytest.mark.slow


class Desk:
    """A process of ``patron_desk``, and what it has printed."""

    def __init__(self, settings: Settings, folder: Path, seed: int) -> None:
        self.out = folder / f"desk-{seed}.txt"
        given = msgspec.json.encode(settings).decode()
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.producer.patron_desk", given, str(seed)],
                stdin=subprocess.PIPE,
                stdout=out,
            )

    @property
    def commands(self) -> int:
        return self.out.read_bytes().count(b"\n")

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(120)


@contextmanager
def desks(settings: list[Settings], folder: Path) -> Iterator[list[Desk]]:
    open_desks = [Desk(each, folder, seed) for seed, each in enumerate(settings)]
    try:
        yield open_desks
    finally:
        for desk in open_desks:
            if desk.process.poll() is None:
                thaw(desk.process.pid)
                desk.process.kill()
                desk.process.wait()


def test_no_forgotten_borrower_has_a_book_whoever_is_killed_or_frozen(
    new_settings: Callable[..., Settings], tmp_path: Path
):
    store = keep_names_apart(new_settings(partitions=2, gateway=""))
    for isbn in ISBNS:
        execute(store, f"add-{isbn}", AddBook(isbn, "Title", "", 5))
    chance = random.Random(SEED)
    with running_gateway(store) as gateway:
        # Two desks use the gateway, two their own fences
        settings = [gateway.settings, store, gateway.settings, store]
        with desks(settings, tmp_path) as running:
            for number in range(ROUNDS):
                begun = [desk.commands for desk in running]
                hit = chance.randrange(DESKS)
                pid = running[hit].process.pid
                freeze(pid)
                others = [index for index in range(DESKS) if index != hit]
                eventually(
                    lambda: sum(running[i].commands - begun[i] for i in others) >= COMMANDS_A_ROUND  # noqa: B023
                )
                if number % 2:
                    running[hit].process.kill()
                    running[hit].process.wait()
                    running[hit] = Desk(settings[hit], tmp_path, DESKS + number)
                else:
                    thaw(pid)
                if number == ROUNDS // 2:
                    gateway.freeze()
                    gateway.thaw()
            assert [desk.stop() for desk in running] == [0] * DESKS
        outputs = b"".join(path.read_bytes() for path in tmp_path.glob("desk-*.txt"))
        for state in (b"forgotten", b"open_loans", b"closing", b"patron_closing"):
            assert state in outputs
    _check(store)
    _forget_everybody(store)
    _check(store)


def _forget_everybody(store: Settings) -> None:
    """What a killed process has begun is ended by running it again."""
    names = Names(store)
    for isbn in ISBNS:
        for number, borrower in enumerate(BORROWERS):
            execute(store, f"last-{isbn}-{number}", ReturnBook(isbn, borrower))
    for borrower in BORROWERS:
        done = forget(names, borrower, SECONDS)
        assert isinstance(done, PatronState)
        assert done.state in ("forgotten", "unknown")
    names.close()
    assert not loans(store)
    assert len(directory(store)) == 0


def _check(store: Settings) -> None:
    require_nothing_lent_to_the_forgotten(store)
    everything = bytes_of_events(store)
    assert not [borrower for borrower in BORROWERS if borrower.encode() in everything]
    folded = Directory()
    for message in records(store, names_topic(store)):
        assert message.key() != ROLL_KEY
        folded.take(message.key(), message.value(), message.offset() or 0, message.timestamp()[1])
        users = [user_id for _, user_id in folded]
        assert len(users) == len(set(users)), "a borrower has two tokens at a time"
    # Every loan is of somebody who can be named
    assert all(folded.user_of(token) for _, token in loans(store))
