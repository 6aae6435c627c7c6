"""This release opens the data directory of every release before it."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.library.system import System
from tests.upgrade.kept import HERE, ISBNS, answers
from tests.waiting import eventually

RELEASES = sorted(path.name.removesuffix(".tar.xz") for path in HERE.glob("*.tar.xz"))


@pytest.mark.parametrize("release", RELEASES)
def test_everything_is_there_and_goes_on(release: str, tmp_path: Path) -> None:
    with tarfile.open(HERE / f"{release}.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    system = System(tmp_path)
    try:
        assert (done := system.up()).returncode == 0, done.stderr
        eventually(system.runs, limit=60)
        for path, said in json.loads((HERE / f"{release}.json").read_text("utf-8")).items():
            assert_holds(said, answers(system)[path])
        assert system.library("verify").returncode == 0
        # Ids of accepted commands are still known, and versions go on
        assert system.library("borrow", ISBNS[0], "user123").returncode == 3
        assert (done := system.library("return", ISBNS[0], "user123", "--wait")).returncode == 0, done.stderr
        assert system.get(f"/inventory/{ISBNS[0]}")[1]["version"] == 5
    finally:
        system.down()


def assert_holds(before: object, now: object) -> None:
    """What was said is still said; fields may have come."""
    match before, now:
        case dict(), dict():
            for name, value in before.items():
                assert_holds(value, now[name])
        case list(), list():
            assert len(before) == len(now)
            for one, other in zip(before, now, strict=True):
                assert_holds(one, other)
        case _:
            assert before == now
