import json
import re
from itertools import islice

import pytest
from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from library.commands import restored_events as restoring
from library.commands.backup import backup
from library.commands.restore import restore
from library.store.backup_file import check
from library.store.offsets import settled_end
from library.store.ordered_records import records
from schemas.events import BookAdded
from schemas.reader import open_reader
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import BEGAN, added_and_removed, numbered_isbn, write_events


@pytest.fixture
def full(new_settings):
    """A store of 200 titles, among events that were aborted."""
    settings = new_settings(partitions=3)
    other = [(1, BookAdded(numbered_isbn(n), "Never", "", 1, BEGAN)) for n in range(300, 320)]
    write_events(settings, other, then="abort")
    write_events(settings, added_and_removed(200))
    write_events(settings, other, then="abort")
    return settings


def everything(settings):
    return list(records(settings, settled_end(settings, events_topic(settings), 20)))


def test_a_backup_restores_into_a_store_with_another_partition_count(full, new_settings, tmp_path):
    file = tmp_path / "store.backup"
    done = run_command(backup, full, str(file), "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["events"] == 400
    assert not list(tmp_path.glob("*.part"))
    assert "complete: 400 events" in run_command(restore, full, str(file), "--check").stderr

    before = everything(full)
    assert [r.timestamp for r in before] == sorted(r.timestamp for r in before)
    for partitions in (1, 5):
        target = new_settings(partitions=partitions)
        done = run_command(restore, target, str(file))
        assert done.exit_code == 0, done.stderr
        assert said["digest"] in done.stderr
        after = everything(target)
        assert [(r.key, r.value, r.timestamp, r.headers) for r in after] == [
            (r.key, r.value, r.timestamp, r.headers) for r in before
        ]
        assert all(r.partition == partition_of(r.key.decode()[:13], partitions) for r in after)
        again = tmp_path / f"again-{partitions}"
        assert (
            json.loads(run_command(backup, target, str(again), "--json").stdout)["digest"] == said["digest"]
        )


def test_restore_refuses_a_store_with_other_events(full, new_settings, tmp_path):
    file = tmp_path / "store.backup"
    run_command(backup, full, str(file))
    write_events(full, [(1, BookAdded(numbered_isbn(900), "Later", "", 1, BEGAN + 1000))])
    other = new_settings(partitions=2)
    write_events(other, [(1, BookAdded(numbered_isbn(0), "Book 0", "Dana", 2, BEGAN))])
    for settings, count in ((full, 401), (other, 1)):
        done = run_command(restore, settings, str(file))
        assert done.exit_code == 1
        assert "is not empty" in done.stderr
        assert len(everything(settings)) == count


def test_an_interrupted_restore_resumes_after_its_last_event(full, new_settings, tmp_path, monkeypatch):
    file = tmp_path / "store.backup"
    digest = json.loads(run_command(backup, full, str(file), "--json").stdout)["digest"]
    target = new_settings(partitions=2)

    class Interrupted(BaseException):
        pass

    def killed(found):
        yield from islice(found, 250)
        raise Interrupted

    real = restoring.write_missing
    with monkeypatch.context() as patched:
        patched.setattr(restoring, "TRANSACTION_RECORDS", 20)
        patched.setattr(
            restoring, "write_missing", lambda s, w, source, existing: real(s, w, killed(source), existing)
        )
        with pytest.raises(Interrupted):
            run_command(restore, target, str(file))
    done = run_command(restore, target, str(file))
    assert done.exit_code == 0, done.stderr
    # Two partitions' open transactions are lost
    assert 250 - 2 * 20 < int(re.search(r"(\d+) events exist already", done.stderr)[1]) < 250
    assert "restored and compared 400" in done.stderr
    assert digest in done.stderr
    again = run_command(restore, target, str(file))
    assert "400 events exist already" in again.stderr
    assert len(everything(target)) == 400


def test_restore_writes_nothing_from_a_truncated_file(full, new_settings, tmp_path):
    file = tmp_path / "store.backup"
    run_command(backup, full, str(file))
    file.write_bytes(file.read_bytes()[:-100])
    target = new_settings(partitions=2)
    done = run_command(restore, target, str(file))
    assert done.exit_code == 65
    assert "nothing was written" in done.stderr
    assert everything(target) == []


def test_backup_refuses_to_skip_events_hidden_by_an_open_transaction(full, tmp_path):
    writer = write_events(full, [(1, BookAdded(numbered_isbn(999), "Not yet", "", 1, BEGAN))], then="leave")
    done = run_command(backup, replace(full, deadline=0.5), str(tmp_path / "store.backup"))
    assert done.exit_code == 1
    assert "library doctor" in done.stderr
    assert not list(tmp_path.glob("store*"))
    writer.abort_transaction(20)
    assert run_command(backup, full, str(tmp_path / "store.backup")).exit_code == 0


def test_backup_does_not_overwrite_an_existing_file(settings, tmp_path):
    file = tmp_path / "store.backup"
    file.write_text("precious")
    done = run_command(backup, settings, str(file))
    assert done.exit_code == 1
    assert "exists already" in done.stderr
    assert file.read_text() == "precious"


def test_an_empty_store_can_be_backed_up(settings, new_settings, tmp_path):
    file = tmp_path / "store.backup"
    assert run_command(backup, settings, str(file)).exit_code == 0
    assert check(file)[1].records == 0
    assert run_command(restore, new_settings(partitions=1), str(file)).exit_code == 0


def test_a_restore_ends_when_another_writer_appends(full, new_settings, tmp_path, monkeypatch):
    file = tmp_path / "store.backup"
    run_command(backup, full, str(file))
    target = new_settings(partitions=1)
    real = restoring.fenced_writers

    def fenced_and_shut_out(settings):
        writers = real(settings)
        real(settings)
        return writers

    monkeypatch.setattr(restoring, "fenced_writers", fenced_and_shut_out)
    done = run_command(restore, target, str(file))
    assert done.exit_code == 1
    assert "broke off" in done.stderr
    assert "must not be used" in done.stderr


def test_backup_without_kafka_reports_it(settings, tmp_path):
    away = replace(settings, kafka="127.0.0.1:1", deadline=1.0)
    done = run_command(backup, away, str(tmp_path / "store.backup"))
    assert done.exit_code == 69
    assert "127.0.0.1:1" in done.stderr
    assert not list(tmp_path.glob("store*"))


def test_a_restored_event_equals_the_original(full, new_settings, tmp_path):
    file = tmp_path / "store.backup"
    run_command(backup, full, str(file))
    target = new_settings(partitions=2)
    run_command(restore, target, str(file))
    with open_reader(settings=target) as reader:
        found = {(e.event.isbn, e.version): e for e in reader}
    assert len(found) == 400
    event = found[numbered_isbn(7), 1].event
    assert isinstance(event, BookAdded)
    assert event.title == "Book 7"
    assert found[numbered_isbn(7), 1].command_id == f"id-{numbered_isbn(7)}"
