"""The disk that Kafka keeps its log on is full: nothing acknowledged is lost, and all goes on with room."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from foundation.cli import exits
from inventory.isbn import in_house
from tests.support.library.installed_system import System
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import eventually

MEGABYTES = 96
LONG_TITLE = "A title of some length " * 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    (tmp_path / ".library").mkdir()
    with small_disk(tmp_path / ".library" / "kafka", MEGABYTES) as disk:
        yield disk


@pytest.mark.slow
def test_kafka_on_a_full_disk_loses_nothing_acknowledged_and_goes_on_with_room(
    tmp_path: Path, disk: SmallDisk
) -> None:
    system = System(tmp_path)
    with system.running():
        acknowledged = [in_house(0)]
        system.receipt("add", in_house(0), "T")
        disk.fill()
        for number in count(1):
            done = system.library("add", in_house(number), LONG_TITLE, "--timeout", "10")
            if done.returncode:
                break
            acknowledged.append(in_house(number))
        assert done.returncode in (exits.UNAVAILABLE, exits.UNKNOWN), done.stderr
        assert "Traceback" not in done.stderr
        # Kafka maps its indexes into memory, where a full disk is a fault
        reason = eventually(lambda: system.status()["kafka"]["last_error"])
        assert "unsafe memory access" in reason or "No space left on device" in reason
        disk.make_room()
        eventually(system.runs)
        for isbn in acknowledged:
            assert system.get(f"/inventory/{isbn}").status == 200
        system.receipt("add", in_house(number + 1), "T")
        system.done("verify")
