"""``library replay``: the table computed again while it is read and written."""

import signal
import threading
from collections.abc import Callable

from eventstore.topics import events_topic
from foundation.cli import exits
from schemas.topics import changelog_topic, projector_group
from tests.support.library.installed_system import System
from tests.support.waiting import eventually
from tests.system.end_to_end.expected_state import assert_as_folded, digest
from tests.system.end_to_end.test_faults import wait_until_shown, written


def test_readers_never_see_older_rows_during_a_replay(system: System, new_isbn: Callable[[], str]) -> None:
    read = [new_isbn() for _ in range(5)]
    wait_until_shown(system, [written(system, isbn, 5)[-1] for isbn in read])
    before = digest(system, read)
    stop = threading.Event()
    seen: dict[str, list[int]] = {isbn: [] for isbn in read}

    def look() -> None:
        while not stop.is_set():
            for isbn in read:
                answer = system.get(f"/inventory/{isbn}")
                seen[isbn].append(answer.value["version"] if answer.status == 200 else -answer.status)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        assert "replayed" in system.library("replay", "--to-beginning").stderr
    finally:
        stop.set()
        watching.join()
    assert {isbn: set(versions) for isbn, versions in seen.items()} == {isbn: {11} for isbn in read}
    assert digest(system, read) == before

    # It ends, though somebody writes all the time
    replaying = system.start("replay")
    receipts = []

    def replayed() -> bool:
        receipts.append(written(system, new_isbn(), 3)[-1])
        return replaying.poll() is not None

    eventually(replayed, 60, pause=0)
    assert replaying.returncode == exits.DONE
    wait_until_shown(system, receipts)
    assert_as_folded(system)


def test_an_interrupted_replay_can_be_started_again(system: System, new_isbn: Callable[[], str]) -> None:
    read = [new_isbn() for _ in range(3)]
    wait_until_shown(system, [written(system, isbn, 5)[-1] for isbn in read])
    before = digest(system, read)
    replaying = system.start("replay")
    eventually(lambda: system.status()["projector"]["state"] != "running")
    replaying.send_signal(signal.SIGINT)
    _, shown = replaying.communicate(timeout=30)
    assert replaying.returncode == exits.INTERRUPTED, shown
    # Nobody else would start it
    eventually(lambda: system.status()["projector"]["state"] == "running")
    assert "replayed" in system.library("replay").stderr
    assert digest(system, read) == before
    assert_as_folded(system)


def test_an_offset_reset_with_kafkas_own_tool_rebuilds_the_table(
    system: System, new_isbn: Callable[[], str]
) -> None:
    read = [new_isbn() for _ in range(3)]
    wait_until_shown(system, [written(system, isbn, 5)[-1] for isbn in read])
    before = digest(system, read)
    changelog = changelog_topic(system.settings)
    rows = changelog_end(system, changelog)
    group, topic = projector_group(system.settings), events_topic(system.settings)
    system.done("stop", "projector")
    reset = ("--group", group, "--topic", topic, "--reset-offsets", "--to-earliest", "--execute")
    system.done("kafka", "consumer-groups", *reset)
    system.done("start", "projector")
    eventually(lambda: not any(system.get("/stats").value["lag"].values()))
    # Each row is written again
    eventually(lambda: changelog_end(system, changelog) >= rows + len(read))
    assert system.library("verify").returncode == exits.DONE
    assert digest(system, read) == before
    assert_as_folded(system)


def changelog_end(system: System, topic: str) -> int:
    """Records of the changelog, counted by Kafka's own tool."""
    lines = system.done("kafka", "get-offsets", "--topic", topic).splitlines()
    return sum(int(line.rpartition(":")[2]) for line in lines)
