"""``library events``: lines for any program, and a group that goes on where it stopped."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

from foundation.cli import exits
from tests.support.library.installed_system import System


def lines(text: str) -> list[tuple[str, int]]:
    """Title and version of each event."""
    return [(event["isbn"], event["version"]) for event in map(json.loads, text.splitlines())]


def test_an_events_group_resumes_and_other_groups_read_everything(
    system: System, new_isbn: Callable[[], str]
) -> None:
    isbn = new_isbn()
    system.done("events", "--group", "e2e")
    system.done("add", isbn, "T")
    system.done("borrow", isbn, "ann")
    assert lines(system.done("events", "--group", "e2e")) == [(isbn, 1), (isbn, 2)]
    assert system.done("events", "--group", "e2e") == ""
    event = json.loads(system.done("events").splitlines()[-1])
    assert set(event) == {"isbn", "version", "type", "time", "command_id", "actor", "position", "data"}


def test_who_did_it_is_shown_in_receipts_history_and_events(
    system: System, new_isbn: Callable[[], str], tmp_path: Path
) -> None:
    isbn = new_isbn()
    catalogue = tmp_path / "books.csv"
    catalogue.write_text(f"isbn,title\n{isbn},T\n", "utf-8")
    system.done("import", str(catalogue), "--actor", "Žofie")
    borrowed = system.library("borrow", isbn, "ann", "--json", LIBRARY_ACTOR="desk 1")
    assert json.loads(borrowed.stdout)["actor"] == "desk 1"
    assert system.receipt("return", isbn)["actor"] == ""
    for lines_of in (("history", isbn, "--json"), ("events",)):
        events = [json.loads(line) for line in system.done(*lines_of).splitlines()]
        # Other tests' titles may follow, in other partitions
        actors = [event["actor"] for event in events if event.get("isbn", isbn) == isbn]
        assert actors == ["Žofie", "desk 1", ""]


def test_a_closed_pipe_ends_events_and_the_next_reader_resumes(
    system: System, new_isbn: Callable[[], str]
) -> None:
    isbn = new_isbn()
    system.done("events", "--group", "pipe")
    following = system.start("events", "--group", "pipe", "--follow")
    assert following.stdout is not None
    assert following.stderr is not None
    system.done("add", isbn, "T")
    assert lines(following.stdout.readline()) == [(isbn, 1)]
    following.stdout.close()
    # Though there is nothing to write
    assert following.wait(30) == exits.FAILED
    assert following.stderr.read() == ""
    system.done("borrow", isbn, "ann")
    # A line that was written when the end came, but not committed, comes again
    assert lines(system.done("events", "--group", "pipe")) in ([(isbn, 2)], [(isbn, 1), (isbn, 2)])


def test_a_stopped_events_reader_leaves_its_group(system: System, isbn: str) -> None:
    system.done("events", "--group", "stopped")
    following = system.start("events", "--group", "stopped", "--follow")
    assert following.stdout is not None
    system.done("add", isbn, "T")
    assert lines(following.stdout.readline()) == [(isbn, 1)]
    refused = system.library("replay", "--group", "stopped", "--to-beginning")
    assert refused.returncode == exits.FAILED
    assert f"active members: library-{following.pid} at " in refused.stderr
    following.terminate()
    assert following.wait(30) == 128 + signal.SIGTERM
    # Its place is kept; at most what was just written comes again
    assert lines(system.done("events", "--group", "stopped")) in ([], [(isbn, 1)])
