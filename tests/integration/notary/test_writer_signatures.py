"""Transactions that writers have signed, and an event that somebody else appends in proper form."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from eventstore.key_files import add_key, read_keys, read_public_keys
from eventstore.partitions import partition_of
from evidence.note import Verifier
from evidence.transaction import HEADER
from foundation.settings import BadSettings, Settings
from inventory.commands import BorrowBook, Command, ReturnBook
from library.commands.backup import backup
from library.commands.restore import restore
from library.commands.verify import verify
from library.store.backup_file import Record
from notary.keys import key_file
from producer.writers import binding, snapshot_of, writer_of
from schemas.codec import encode
from tests.support.evidence.live_topic import fill
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import write_events
from tests.support.notary_runs import checkpoints, folder_of, leaves, notarise, signer_of, title
from tests.support.producer.writer_calls import ADD, ISBN, SECONDS, accepted, committed_records, run


@pytest.fixture
def old(new_settings: Callable[..., Settings]) -> Settings:
    """A store of one partition, with an event that nobody has signed."""
    settings = new_settings(partitions=1)
    Path(settings.data_dir).mkdir(exist_ok=True)
    execute(settings, ADD)
    return settings


@pytest.fixture
def store(old: Settings) -> Settings:
    """The same store, with a key for its writers and two signed transactions."""
    settings = with_key(old, "writer")
    execute(settings, BorrowBook(ISBN, "ann"))
    execute(settings, ReturnBook(ISBN, "ann"), BorrowBook(ISBN, "bob"), BorrowBook(ISBN, "eve"))
    return settings


def with_key(settings: Settings, name: str) -> Settings:
    """The settings of a writer that signs with a new key; its public part is added to the accepted ones."""
    file = Path(settings.data_dir) / f"{name}.key"
    public = add_key(file, name).verifier.text
    with keys_file(settings).open("a") as accepted_keys:
        accepted_keys.write(f"# {name}\n{public}\n")
    return replace(settings, signing_key=str(file))


def keys_file(settings: Settings) -> Path:
    return Path(settings.data_dir) / "writers"


def writer_keys(settings: Settings) -> list[Verifier]:
    return read_public_keys(keys_file(settings))


def execute(settings: Settings, *commands: Command, **options: Any) -> list[Any]:
    """Let a writer of its own append the events of the commands in one transaction."""
    writer = writer_of(settings, 0, **options)
    try:
        return [accepted(outcome).receipt for outcome in run(writer, *commands)]
    finally:
        writer.close()


def sign(settings: Settings) -> list[int]:
    return notarise(settings, writers=writer_keys(settings)).refused


def verified(settings: Settings, *more: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Exit code, findings and summary of `library verify`."""
    signed = ("--checkpoints", str(folder_of(settings) / "checkpoints"))
    keys = ("--key", str(signer_of(settings).verifier), "--writers", str(keys_file(settings)))
    done = run_command(verify, settings, *signed, *keys, "--json", *more)
    *findings, summary = map(json.loads, done.stdout.splitlines())
    return done.exit_code, findings, summary


def forge(settings: Settings, number: int = 7, **changes: Any) -> Record:
    """Append an event as a writer does, but for the signature."""
    first = committed_records(settings)[0]
    headers: Any = first.headers()
    _, event = title(number)
    key = f"{event.isbn}/1".encode()
    record = Record(0, 0, first.timestamp()[1], key, encode(event), headers)
    record = replace(record, **changes)
    fill(settings, [record])
    return record


def test_an_event_appended_in_proper_form_by_somebody_else_is_found(
    store: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert sign(store) == []
    code, findings, summary = verified(store)
    assert (code, findings, summary["events"], summary["signed_by_writers"]) == (0, [], 5, 4)
    assert summary["before_signatures"] == {"0": 1}
    forged = forge(store)
    offset = committed_records(store)[-1].offset()
    # A notary that does not know the writers signs it, and their own next transaction does not hide it
    execute(store, ReturnBook(ISBN, "eve"))
    with caplog.at_level(logging.ERROR, "notary"):
        assert sign(store) == [0]
        assert sign(store) == [0]
    assert f"(unsigned): the event at offset {offset} of partition 0, {forged.key.decode()}" in caplog.text
    assert [one.size for one in checkpoints(store)] == [5]
    assert run_command(backup, store, str(tmp_path / "backup")).exit_code == 0
    for more in ((), ("--backup", str(tmp_path / "backup"))):
        code, (finding,), summary = verified(store, *more)
        assert code == 4
        assert (finding["kind"], finding["partition"], finding["offset"]) == ("unsigned", 0, offset)
        assert finding["event"] == forged.key.decode()
        assert summary["signed_by_writers"] == 5


def test_the_newest_event_is_found_too(store: Settings) -> None:
    forge(store)
    assert sign(store) == [0]
    notarise(store)
    code, (finding,), _ = verified(store)
    assert (code, finding["kind"]) == (4, "unsigned")


def test_a_signature_of_another_event_or_key_is_forged(
    store: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert sign(store) == []
    signed = committed_records(store)[-1]
    headers: Any = signed.headers()
    assert headers[-1][0] == HEADER
    forge(store, headers=headers)
    with caplog.at_level(logging.ERROR, "notary"):
        assert sign(store) == [0]
    assert "(forged)" in caplog.text
    notarise(store)
    _, (finding,), _ = verified(store)
    assert finding["kind"] == "forged"


def test_writers_in_turn_with_aborted_and_killed_ones_between_are_no_finding(store: Settings) -> None:
    class Killed(Exception):
        pass

    def die(step: str) -> None:
        if step == "delivered":
            raise Killed

    new = with_key(store, "new")
    first = writer_of(store, 0, snapshot_of(store, 0, binding(store)))
    second = writer_of(new, 0)
    for _ in range(3):
        accepted(run(first, BorrowBook(ISBN, "one"))[0])
        write_events(store, [title(1), title(2)], then="abort")
        assert [accepted(one) for one in run(second, ReturnBook(ISBN, "one"), BorrowBook(ISBN, "two"))]
        with pytest.raises(Killed):
            run(writer_of(store, 0, reached=die), ReturnBook(ISBN, "two"))
        assert sign(store) == []
        accepted(run(second, ReturnBook(ISBN, "two"))[0])
    first.close()
    second.close()
    assert sign(store) == []
    code, findings, summary = verified(store)
    assert (code, findings) == (0, [])
    assert summary["signed_by_writers"] == summary["events"] - 1 == 16
    # The second key is not accepted any more
    keys_file(store).write_text(read_keys(Path(store.signing_key))[0].verifier.text)
    code, (finding,), _ = verified(store)
    assert (code, finding["kind"], finding["partition"]) == (4, "forged", 0)


def test_receipts_have_the_leaves_that_the_notary_signs(store: Settings) -> None:
    receipts = execute(store, ReturnBook(ISBN, "bob"), ReturnBook(ISBN, "eve"))
    assert sign(store) == []
    assert [bytes.fromhex(receipt.leaf) for receipt in receipts] == leaves(store)[-2:]
    # A writer that reads the log again answers a repeat with the same receipt
    again = writer_of(store, 0)
    assert again.look_up(receipts[-1].command_id, SECONDS) == [receipts[-1]]
    again.close()


def test_a_notary_that_learns_the_keys_late_examines_the_earlier_events_too(store: Settings) -> None:
    assert notarise(store).refused == []
    forge(store)
    execute(store, ReturnBook(ISBN, "eve"))
    assert notarise(store).refused == []
    assert sign(store) == [0]


def test_signatures_hold_in_a_restored_store_of_as_many_partitions_only(
    store: Settings, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    file, key = str(tmp_path / "backup"), ("--signing-key", str(key_file(store)))
    signer_of(store)
    assert run_command(backup, store, file).exit_code == 0
    same, wider = new_settings(partitions=1), new_settings(partitions=2)
    for restored, signed in ((same, 4), (wider, 0)):
        done = run_command(restore, restored, file, "--successor", str(tmp_path / "successor"), *key)
        assert done.exit_code == 0, done.stderr
        assert ("4 events were signed by writers" in done.stderr) == (restored is wider)
        Path(restored.data_dir).mkdir(exist_ok=True)
        shutil.copy(key_file(store), key_file(restored))
        shutil.copy(keys_file(store), keys_file(restored))
        settings = replace(restored, signing_key=store.signing_key)
        place = partition_of(ISBN, settings.partitions)
        writer = writer_of(settings, place)
        accepted(run(writer, ReturnBook(ISBN, "eve"))[0])
        writer.close()
        assert sign(settings) == []
        code, findings, summary = verified(settings, "--successor", str(tmp_path / "successor"))
        assert (code, findings, summary["signed_by_writers"]) == (0, [], signed + 1)


def test_a_key_that_others_can_read_signs_nothing(store: Settings) -> None:
    Path(store.signing_key).chmod(0o644)
    with pytest.raises(BadSettings, match="chmod 600"):
        writer_of(store, 0)
