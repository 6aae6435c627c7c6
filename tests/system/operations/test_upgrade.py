"""This release takes over the data of every release before it."""

import json
import re
from pathlib import Path

import pytest

from tests.support.library.installed_system import System
from tests.system.operations.conftest import Opened
from tests.system.operations.kept_release import ISBNS, RELEASES, extract_data


def test_the_data_of_an_older_release_is_there_and_accepts_commands(opened: Opened) -> None:
    for path, said in json.loads((RELEASES / f"{opened.release}.json").read_text("utf-8")).items():
        assert_holds(said, opened.at_first[path], "position" if opened.restored else "")
    assert (done := opened.library("verify")).returncode == 0, done.stderr
    version = version_of(opened)
    assert opened.library("borrow", ISBNS[0], "user123").returncode == 3
    done = opened.library("return", ISBNS[0], "user123", "--wait")
    assert done.returncode == 0, done.stderr
    assert version_of(opened) == version + 1


def version_of(system: System) -> int:
    version: int = system.get(f"/inventory/{ISBNS[0]}")[1]["version"]
    return version


@pytest.mark.parametrize("release", sorted(path.stem for path in RELEASES.glob("*.backup")))
def test_a_data_directory_of_a_newer_kafka_is_refused_with_the_way_to_move_its_events(
    release: str, tmp_path: Path
) -> None:
    system = System(tmp_path)
    extract_data(system, release)
    before = files(system)
    done = system.up()
    assert done.returncode == 1
    assert re.search(
        r"formatted by Kafka \S+\. Kafka .* can't open it.*backup FILE.*restore FILE", done.stderr
    )
    assert files(system) == before


def files(system: System) -> dict[str, bytes]:
    """What Kafka's directory holds."""
    root = system.data_dir / "kafka"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def assert_holds(before: object, now: object, other: str) -> None:
    """All that was answered before is still answered, except for fields named ``other``."""
    match before, now:
        case dict(), dict():
            for name, value in before.items():
                if name != other:
                    assert_holds(value, now[name], other)
        case list(), list():
            assert len(before) == len(now)
            for one, same in zip(before, now, strict=True):
                assert_holds(one, same, other)
        case _:
            assert before == now
