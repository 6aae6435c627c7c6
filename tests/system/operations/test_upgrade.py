"""This release opens the data directory of every release before it."""

import json

from tests.support.library.installed_system import System
from tests.system.operations.conftest import Opened
from tests.system.operations.kept_release import ISBNS, RELEASES


def test_a_data_directory_of_an_older_release_opens_and_accepts_commands(opened: Opened) -> None:
    for path, said in json.loads((RELEASES / f"{opened.release}.json").read_text("utf-8")).items():
        assert_holds(said, opened.at_first[path])
    assert (done := opened.library("verify")).returncode == 0, done.stderr
    version = version_of(opened)
    assert opened.library("borrow", ISBNS[0], "user123").returncode == 3
    done = opened.library("return", ISBNS[0], "user123", "--wait")
    assert done.returncode == 0, done.stderr
    assert version_of(opened) == version + 1


def version_of(system: System) -> int:
    version: int = system.get(f"/inventory/{ISBNS[0]}")[1]["version"]
    return version


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
