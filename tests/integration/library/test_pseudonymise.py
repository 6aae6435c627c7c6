"""``library restore FILE --pseudonymise``: a store of user ids as a store of tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from eventstore.state.outcomes import Reused, digest
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import BorrowBook, Command, RenewLoan, ReturnBook, WithdrawCopies
from library.commands import restore as restoring
from library.commands.backup import backup
from library.commands.restore import restore
from library.store import pseudonyms
from library.store.backup_file import read
from producer.client import execute
from schemas.patrons import is_token
from schemas.records import recorded
from schemas.topics import has_names
from tests.support.library.command_runner import run_command
from tests.support.producer.named_store import bytes_of_events, directory, keep_names_apart, loans, records
from tests.support.producer.writer_calls import ADD, ISBN, accepted

ANN, BOB = "card-0048213", "card 0048214"
COMMANDS: list[Command] = [
    ADD,
    BorrowBook(ISBN, ANN),
    RenewLoan(ISBN, ANN),
    ReturnBook(ISBN),
    BorrowBook(ISBN, ANN),
    ReturnBook(ISBN, ANN),
    BorrowBook(ISBN, BOB),
    WithdrawCopies(ISBN, 1, "lost", BOB),
    BorrowBook(ISBN, BOB),
    BorrowBook(ISBN, ANN),
]


@pytest.fixture
def file(new_settings: Callable[..., Settings], tmp_path: Path) -> Path:
    """A backup of a store of today."""
    old = new_settings(partitions=2, gateway="", loan_days=1)
    for number, command in enumerate(COMMANDS):
        # A renewal for as many days would change nothing
        accepted(execute(replace(old, loan_days=1 + number), f"command-{number}", command))
    path = tmp_path / "old.backup"
    assert run_command(backup, old, str(path)).exit_code == 0
    return path


@pytest.fixture
def target(new_settings: Callable[..., Settings]) -> Settings:
    return new_settings(partitions=1, gateway="")


def test_no_user_id_is_left_and_everything_else_is_as_it_was(file: Path, target: Settings):
    done = run_command(restore, target, str(file), "--pseudonymise")
    assert done.exit_code == 0, done.stderr
    assert "2 borrowers have tokens" in done.stderr
    assert "no user id is left" in done.stderr
    everything = bytes_of_events(target)
    assert ANN.encode() not in everything
    assert BOB.encode() not in everything
    names = directory(target)
    assert loans(target) == {(ISBN, names.token_of(ANN)), (ISBN, names.token_of(BOB))}
    assert all(is_token(token) for token, _ in names)
    # No digest can be guessed, and each repeat finds its first answer
    digests = {
        recorded(message).headers["command_digest"] for message in records(target, events_topic(target))
    }
    assert not digests & {digest(command) for command in COMMANDS[1:] if getattr(command, "user_id", None)}
    for number, command in enumerate(COMMANDS):
        assert accepted(execute(target, f"command-{number}", command)).replayed
    assert isinstance(execute(target, "command-1", BorrowBook(ISBN, BOB)), Reused)


def test_an_interrupted_restore_goes_on_with_the_same_tokens(
    file: Path, target: Settings, monkeypatch: pytest.MonkeyPatch
):
    found = pseudonyms.user_ids(read(file)[1])
    before = dict(pseudonyms.register(keep_names_apart(target), found))
    monkeypatch.setattr(restoring, "TRANSACTION_RECORDS", 2)
    for _ in range(2):
        done = run_command(restore, target, str(file), "--pseudonymise")
        assert done.exit_code == 0, done.stderr
    assert "10 events exist already" in done.stderr
    assert dict(directory(target)) == before


def test_texts_of_callers_with_a_user_id_are_named(file: Path, target: Settings):
    left = pseudonyms.look_for({"Sasa", "command-3"}, read(file)[1])
    assert left.places == {"borrower": 9, "author": 1, "ce_id": 1, "command_id": 1}
    assert left.events == 10


def test_a_backup_with_tokens_needs_no_others_and_makes_a_store_that_keeps_names_apart(
    file: Path, target: Settings, new_settings: Callable[..., Settings], tmp_path: Path
):
    assert run_command(restore, target, str(file), "--pseudonymise").exit_code == 0
    again = tmp_path / "new.backup"
    assert run_command(backup, target, str(again)).exit_code == 0
    done = run_command(restore, target, str(again), "--pseudonymise")
    assert (done.exit_code, "tokens already" in done.stderr) == (65, True)
    copy = new_settings(partitions=2, gateway="")
    assert run_command(restore, copy, str(again)).exit_code == 0
    admin = AdminClient(client_config(copy))
    assert has_names(admin, copy)
    assert {token for _, token in loans(copy)} == {token for token, _ in directory(target)}
