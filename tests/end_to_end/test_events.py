"""``library events``: lines for any program, and a group that goes on where it stopped."""

import json
from collections.abc import Callable

from schemas import exits
from tests.end_to_end.running import System


def lines(text: str) -> list[tuple[str, int]]:
    """Title and version of each event."""
    return [(event["isbn"], event["version"]) for event in map(json.loads, text.splitlines())]


def test_a_group_goes_on_and_others_read_all(system: System, new_isbn: Callable[[], str]) -> None:
    isbn = new_isbn()
    system.done("events", "--group", "e2e")
    system.done("add", isbn, "T")
    system.done("borrow", isbn, "ann")
    assert lines(system.done("events", "--group", "e2e")) == [(isbn, 1), (isbn, 2)]
    assert system.done("events", "--group", "e2e") == ""
    event = json.loads(system.done("events").splitlines()[-1])
    assert set(event) == {"isbn", "version", "type", "time", "command_id", "position", "data"}


def test_a_closed_pipe_ends_it_and_the_next_reader_goes_on(
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
    system.done("borrow", isbn, "ann")
    assert following.wait(30) == exits.FAILED
    assert following.stderr.read() == ""
    # The first event's line was written; the second met the closed pipe
    assert lines(system.done("events", "--group", "pipe")) == [(isbn, 2)]
