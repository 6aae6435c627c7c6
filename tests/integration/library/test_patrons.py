"""Borrowers at the command line: shown, searched for, and in a backup of their own."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from eventstore.state.outcomes import digest
from foundation.cli import exits
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import BorrowBook, ReturnBook
from library.checks.borrowers import borrowers
from library.checks.finding import Grade
from library.commands.backup import backup
from library.commands.patron import patron
from library.commands.patron_queries import KILLED
from library.commands.restore import restore
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned
from schemas.patrons import PatronName, name_key, new_token
from schemas.topics import names_topic
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import added_and_removed, numbered_isbn, write_events
from tests.support.names_writer import NamesWriter

USER, OTHER = "card-0048213-xyzzy", "card-0048214-xyzzy"


def proof(settings: Settings, token: str, *more: str) -> tuple[int, dict[str, Any]]:
    done = run_command(patron, settings, "proof", token, "--user", USER, "--json", *more)
    assert USER not in done.stdout, "the proof itself must name nobody"
    return done.exit_code, json.loads(done.stdout)


def names(settings: Settings) -> dict[str, str]:
    listed = run_command(patron, settings, "list", "--json").stdout.splitlines()
    return {row["patron"]: row["user_id"] for row in map(json.loads, listed)}


def test_borrowers_are_shown_by_token_or_name_until_they_are_forgotten(settings: Settings):
    writer = NamesWriter(settings)
    first, other = writer.register(USER, OTHER)
    assert names(settings) == {first: USER, other: OTHER}
    for who in (first, USER):
        shown = json.loads(run_command(patron, settings, "show", who, "--json").stdout)
        assert shown == {"patron": first, "user_id": USER, "closing": False}
    writer.forget(first)
    done = run_command(patron, settings, "show", first)
    assert done.exit_code == exits.NOT_FOUND
    assert "was forgotten on 20" in done.stderr
    assert run_command(patron, settings, "show", USER).exit_code == exits.NOT_FOUND
    (waiting,) = map(json.loads, run_command(patron, settings, "pending", "--json").stdout.splitlines())
    assert (waiting["patron"], waiting["waits_for"]) == (first, "Kafka's log cleaner")


def test_an_erasure_whose_command_was_killed_is_listed_and_doctor_says_how_to_end_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    writer = NamesWriter(settings)
    kept, waiting, killed = writer.register("kept", "waiting", USER)
    for token, closing in ((kept, False), (waiting, True), (killed, False)):
        user = "waiting" if closing else USER
        writer.commit([(name_key(token), encode(PatronName(user, 1, True, closing)))])
    writer.commit([(name_key(kept), encode(PatronName("kept", 1)))])
    rows = map(json.loads, run_command(patron, settings, "pending", "--json").stdout.splitlines())
    waits = {row["patron"]: row["waits_for"] for row in rows if row["age_s"] >= 0}
    assert waits == {waiting: "the last return", killed: KILLED}
    admin = AdminClient(client_config(settings))
    assert [one.grade for one in borrowers(admin, settings)] == [Grade.FINE], "the command may still run"
    monkeypatch.setattr("library.checks.borrowers.ABANDONED_AFTER_S", -1.0)
    *_, found = borrowers(admin, settings)
    assert (found.grade, found.found[:11]) == (Grade.WARNING, "1 borrowers")
    assert f"{killed} for " in found.found
    assert f"library patron show {killed} " in found.fix
    assert "library patron forget USER" in found.fix


def test_a_store_with_user_ids_in_its_events_has_no_borrowers_to_show(settings: Settings):
    for command in (["list"], ["show", "ann"], ["pending"], ["proof", new_token(), "--user", "ann"]):
        done = run_command(patron, settings, *command)
        assert (done.exit_code, "in its events" in done.stderr) == (exits.REFUSED, True), command


def test_a_proof_finds_the_name_in_the_log_and_in_the_text_of_others(settings: Settings, tmp_path: Path):
    writer = NamesWriter(settings)
    token, _ = writer.register(USER, OTHER)
    assert proof(settings, token)[1]["found"][0]["form"] == "the token still has a name"
    writer.forget(token)
    code, report = proof(settings, token)
    assert (code, report["state"]) == (exits.NOT_FOUND, "pending")
    assert {trace["place"].split()[0] for trace in report["found"]} == {names_topic(settings)}
    # An aborted transaction of somebody else, and a file in another encoding
    writer.abort([(name_key(new_token()), encode(PatronName(USER, 1)))])
    assert len(proof(settings, token)[1]["found"]) == len(report["found"]) + 1
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "copy.log.deleted").write_bytes(USER.encode("utf-16"))
    _, with_files = proof(settings, token, "--files", str(tmp_path / "notes"))
    assert [t["form"] for t in with_files["found"] if t["place"].endswith("copy.log.deleted")] == ["UTF-16"]


def test_a_proof_finds_a_digest_that_gives_the_user_id_away(settings: Settings):
    (token,) = NamesWriter(settings).register(OTHER)
    isbn = numbered_isbn(1)
    lent, returned = BookBorrowed(isbn, token, 1, 2), BookReturned(isbn, token, 3)
    write_events(
        settings, [(1, BookAdded(isbn, "T", "", 1, 1)), (2, lent)], digest=digest(BorrowBook(isbn, USER))
    )
    write_events(settings, [(3, returned)], digest=digest(ReturnBook(isbn, token)))
    code, report = proof(settings, token)
    assert code == exits.NOT_FOUND
    assert [trace["form"][:10] for trace in report["found"][1:]] == ["the digest"]


def test_a_proof_says_what_it_could_not_look_at(settings: Settings):
    writer = NamesWriter(settings)
    writer.register(OTHER)
    code, report = proof(settings, new_token())
    assert (code, report["state"], report["found"]) == (exits.DONE, "gone here", [])
    said = " ".join(report["not_looked_at"])
    assert "the files of 1 of 1 brokers" in said
    assert "the query API" in said


def test_an_old_backup_of_names_brings_nobody_back(settings: Settings, tmp_path: Path):
    writer = NamesWriter(settings)
    kept, forgotten, renamed, lost = writer.register("kept", "forgotten", "again", "lost")
    file = tmp_path / "names.gz"
    assert run_command(backup, settings, str(file), "--names").exit_code == exits.DONE
    writer.forget(forgotten)
    # Two that the store has lost; one of them has come back with another token meanwhile
    writer.commit([(name_key(renamed), None), (name_key(lost), None)])
    (back,) = writer.register("again")
    done = run_command(restore, settings, str(file), "--names")
    assert done.exit_code == exits.DONE, done.stderr
    assert "1 borrowers have their names again; 1 had them, 1 were forgotten, 1 have another" in done.stderr
    assert names(settings) == {kept: "kept", back: "again", lost: "lost"}
    assert "0 borrowers have" in run_command(restore, settings, str(file), "--names").stderr


def test_names_restored_elsewhere_know_who_was_forgotten(new_settings: Any, tmp_path: Path):
    old, new = new_settings(), new_settings()
    writer = NamesWriter(old)
    kept, forgotten = writer.register("kept", "forgotten")
    early, late = tmp_path / "early.gz", tmp_path / "late.gz"
    run_command(backup, old, str(early), "--names")
    writer.forget(forgotten)
    run_command(backup, old, str(late), "--names")
    for file in (late, early):
        assert run_command(restore, new, str(file), "--names").exit_code == exits.DONE
    assert names(new) == {kept: "kept"}


@pytest.mark.parametrize(("written", "read"), [([], ["--names"]), (["--names"], [])])
def test_a_backup_of_the_other_kind_is_refused(
    settings: Settings, tmp_path: Path, written: list[str], read: list[str]
):
    NamesWriter(settings).register("ann")
    write_events(settings, added_and_removed(1))
    file = tmp_path / "backup.gz"
    assert run_command(backup, settings, str(file), *written).exit_code == exits.DONE
    done = run_command(restore, settings, str(file), *read)
    assert done.exit_code == exits.BAD_DATA
    assert "nothing was written" in done.stderr
