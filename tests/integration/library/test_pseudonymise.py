"""``library restore FILE --pseudonymise``: a store of user ids as a store of tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from msgspec import UNSET
from msgspec.structs import replace

from eventstore.state.outcomes import Reused, digest
from eventstore.topics import events_topic
from foundation.cli import exits
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import BorrowBook, Command, RenewLoan, ReturnBook, WithdrawCopies
from library.commands import restored_events as restoring
from library.commands.backup import backup
from library.commands.restore import restore
from library.commands.topics import create
from library.store import pseudonyms
from library.store.backup_file import TOKENS, Record, read, write
from producer.client import execute
from schemas.events import Event
from schemas.patrons import is_token
from schemas.records import recorded
from schemas.topics import has_names
from tests.support.library.command_runner import run_command
from tests.support.producer.named_store import bytes_of_events, directory, keep_names_apart, loans, records
from tests.support.producer.writer_calls import ADD, ISBN, accepted

event_in = pseudonyms._event
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


def test_user_ids_do_not_get_into_a_store_that_keeps_names_apart(file: Path, target: Settings):
    keep_names_apart(target)
    done = run_command(restore, target, str(file))
    assert (done.exit_code, done.stderr.startswith("Error: nothing was written")) == (exits.REFUSED, True)
    for way in ("library restore FILE --pseudonymise", "library up --no-names --data-dir DIR"):
        assert f"`{way}`" in done.stderr
    assert records(target, events_topic(target)) == []


def test_user_ids_are_restored_as_they_are_into_a_store_that_has_them(file: Path, target: Settings):
    missing = replace(target, name=f"{target.name}-new")
    made = replace(target, name=f"{target.name}-made")
    assert run_command(create, made, "--no-names").exit_code == 0
    for settings in (target, made, missing):
        for _ in range(2):
            done = run_command(restore, settings, str(file))
            assert done.exit_code == 0, done.stderr
        assert "10 events exist already" in done.stderr
        assert not has_names(AdminClient(client_config(settings)), settings)
        assert loans(settings) == {(ISBN, ANN), (ISBN, BOB)}


def test_a_backup_without_a_borrower_fits_every_store_and_makes_one_that_keeps_names_apart(
    target: Settings, new_settings: Callable[..., Settings], tmp_path: Path
):
    old, path = new_settings(partitions=1, gateway=""), tmp_path / "old.backup"
    accepted(execute(old, "add", ADD))
    assert run_command(backup, old, str(path)).exit_code == 0
    apart = keep_names_apart(new_settings(partitions=1, gateway=""))
    missing = replace(target, name=f"{target.name}-new")
    for settings, names in ((target, False), (apart, True), (missing, True)):
        assert run_command(restore, settings, str(path)).exit_code == 0
        assert has_names(AdminClient(client_config(settings)), settings) == names


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
    missing = replace(copy, name=f"{copy.name}-new")
    for settings in (copy, missing, keep_names_apart(new_settings(partitions=2, gateway=""))):
        assert run_command(restore, settings, str(again)).exit_code == 0
        assert has_names(AdminClient(client_config(settings)), settings)
        assert {token for _, token in loans(settings)} == {token for token, _ in directory(target)}


@pytest.mark.parametrize("release", ["this one", "an older one"])
def test_the_header_of_a_backup_says_that_borrowers_have_tokens(
    file: Path, target: Settings, tmp_path: Path, release: str, monkeypatch: pytest.MonkeyPatch
):
    assert run_command(restore, target, str(file), "--pseudonymise").exit_code == 0
    path = tmp_path / "new.backup"
    assert run_command(backup, target, str(path)).exit_code == 0
    header, found = read(path)
    assert (header.borrowers, read(file)[0].borrowers) == (TOKENS, UNSET)
    if release == "an older one":
        write(path, replace(header, borrowers=UNSET), list(found))
    decoded = list[Record]()

    def counted(record: Record) -> Event:
        decoded.append(record)
        return event_in(record)

    monkeypatch.setattr(pseudonyms, "_event", counted)
    missing = replace(target, name=f"{target.name}-new")
    assert run_command(restore, missing, str(path)).exit_code == 0
    assert has_names(AdminClient(client_config(missing)), missing)
    # The first event with a borrower is the second one
    assert len(decoded) == (2 if release == "an older one" else 0)
