"""A borrower is forgotten while a writer is frozen, in a fixed order: each answer that names bring, once."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace

from eventstore.append.owner import ignore
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from inventory.patrons import ForgetPatron, KeepPatron, PatronCommand
from producer.names.names import Names
from producer.writers import writer_of
from schemas.topics import names_topic
from tests.chaos.checker import Checker, logged
from tests.chaos.history import Recorder, read
from tests.chaos.mutants import names_mutant
from tests.chaos.names_checker import NamesChecker
from tests.chaos.names_log import name_records, named, users_of
from tests.chaos.patron_desk import USERS, PatronDesk
from tests.chaos.scenario import SCENE, Client
from tests.support.producer.named_store import keep_names_apart, records
from tests.support.producer.writer_calls import ISBN, OTHER, committed_records


class Scene:
    """A store with one partition, a caller, and somebody who gives commands about borrowers."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings, self._recorder = keep_names_apart(replace(settings, gateway="")), recorder
        self.caller = self.new_caller(ignore)
        self._desk = PatronDesk(self.settings, "desk", recorder, random.Random(0), {}, ignore)

    def new_caller(self, reached: Callable[[str], None]) -> Client:
        """Somebody with a writer and names of its own."""
        writer = writer_of(self.settings, 0, names=Names(self.settings), reached=reached)
        return Client(writer, self._recorder)

    def ask(self, what: PatronCommand) -> None:
        """Give a command about a borrower."""
        self._desk.submit(uuid4().hex, what)


def play_names(settings: Settings, mutant: str, folder: Path) -> Checker:
    """Play the scene in a system with one partition; return the checker with its violations."""
    recorder = Recorder(folder / SCENE)
    with names_mutant(mutant):
        _play(Scene(settings, recorder))
    names = name_records(records(settings, names_topic(settings)))
    log = named([logged(message) for message in committed_records(settings)], users_of(names))
    recorded = read([folder / SCENE])
    forgotten = {one.token for one in names if one.kind == "forgotten"}
    checker = Checker(log, recorded.calls, forgotten=forgotten)
    checker.check()
    of_names = NamesChecker(checker, names, recorded.patrons, time.time_ns() - time.monotonic_ns())
    of_names.check()
    of_names.require_nobody()
    return checker


def _play(scene: Scene) -> None:
    ann, bob = USERS[:2]
    caller = scene.caller
    caller(AddBook(ISBN, "Title", "Author", 3))
    caller(AddBook(OTHER, "Title", "Author", 3))
    first = caller(BorrowBook(ISBN, ann))
    caller(ReturnBook(ISBN, ann))

    # A writer that has decided to lend is frozen while the borrower is forgotten
    frozen = scene.new_caller(once("decided", lambda: scene.ask(ForgetPatron(ann))))
    frozen(BorrowBook(ISBN, ann))
    # The borrower has come back, with another token: the first command is not the same any more
    other = scene.new_caller(ignore)
    other.submit(first)
    other(ReturnBook(ISBN, ann))

    # Nothing is lent to somebody who waits for the last return, until that is taken back
    caller(BorrowBook(ISBN, bob))
    scene.ask(ForgetPatron(bob))
    scene.ask(ForgetPatron(bob, True))
    caller(BorrowBook(OTHER, bob))
    scene.ask(KeepPatron(bob))
    caller(BorrowBook(OTHER, bob))
    for isbn in (ISBN, OTHER):
        caller(ReturnBook(isbn, bob))
    for user in (ann, bob):
        scene.ask(ForgetPatron(user))


def once(step: str, do: Callable[[], None]) -> Callable[[str], None]:
    """Calls ``do`` the first time that a step is reached."""
    left = [do]

    def reached(passed: str) -> None:
        if passed == step and left:
            left.pop()()

    return reached
