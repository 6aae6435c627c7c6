"""A running system of this release with an older one's data: its directory opened or its backup restored."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.library.installed_system import System
from tests.support.waiting import eventually
from tests.system.operations.kept_release import RELEASES, api_answers, extract_data


class Opened(System):
    """It also serves metrics of projector and audit. ``at_first``: the API's answers when it was opened."""

    release = ""
    restored = False
    metrics_port = 0
    audit_port = 0
    at_first: dict[str, Any]


@pytest.fixture(scope="session", params=sorted(path.stem for path in RELEASES.glob("*.json")))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """One system for each release that was kept."""
    system = Opened(tmp_path_factory.mktemp("opened"))
    system.release = request.param
    backup = RELEASES / f"{system.release}.backup"
    system.restored = backup.exists()
    if not system.restored:
        extract_data(system, system.release)
    # The backups of these releases have user ids in their events
    with system.running(*(["--no-names"] if system.restored else [])) as done:
        printed = re.search(r"metrics +http://127\.0\.0\.1:(\d+)/metrics", done.stdout)
        assert printed is not None, done.stdout
        system.metrics_port = int(printed[1])
        system.audit_port = urlsplit(system.run.audit).port or 0
        if system.restored:
            done = system.library("restore", str(backup))
            assert done.returncode == 0, done.stderr
        eventually(system.runs)
        system.at_first = api_answers(system)
        yield system
