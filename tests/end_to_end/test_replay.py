"""``library replay``: the table computed again while it is read and written."""

import threading
from collections.abc import Callable

from tests.end_to_end.folding import assert_as_folded, digest
from tests.end_to_end.running import System
from tests.end_to_end.test_faults import wait_until_shown, written


def test_nobody_sees_the_inventory_go_back(system: System, new_isbn: Callable[[], str]) -> None:
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
        assert "replayed" in system.run("replay", "--to-beginning").stderr
    finally:
        stop.set()
        watching.join()
    assert {isbn: set(versions) for isbn, versions in seen.items()} == {isbn: {11} for isbn in read}
    assert digest(system, read) == before

    replaying = system.start("replay")
    receipts = [written(system, new_isbn(), 3) for _ in range(5)]
    assert replaying.wait(60) == 0
    wait_until_shown(system, [title[-1] for title in receipts])
    assert_as_folded(system)
