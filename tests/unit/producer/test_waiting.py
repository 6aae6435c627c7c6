"""``--wait``: the query API is asked until it shows the change, or until the deadline."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.http.client import Response, Service
from foundation.settings import Settings
from producer.commands.submission import API_WAIT_S, wait_until_visible
from producer.imports.appending import Committed, Counts
from producer.imports.run import append
from producer.imports.spool import Spool
from query_api.http.freshness import LONGEST_TIMEOUT_S

LATE = Response(503, {}, json.dumps({"code": "not_there_yet", "detail": "it is at 3:16"}).encode())
THERE = Response(200, {}, b"{}")


def waits(patch: pytest.MonkeyPatch, deadline: float, *answers: Response) -> list[float]:
    """The seconds that each request may wait, if they are answered so."""
    left, asked = list(answers), list[float]()

    def get(_: Service, path: tuple[str, ...], parameters: Mapping[str, str | None]) -> Response:
        assert (path, parameters["after"]) == (("inventory",), "3:17")
        asked.append(float(str(parameters["timeout"])))
        return left.pop(0)

    patch.setattr(Service, "get", get)
    wait_until_visible(Settings(deadline=deadline), ("inventory",), "3:17")
    assert not left
    return asked


def test_no_request_waits_longer_than_the_query_api_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert API_WAIT_S <= LONGEST_TIMEOUT_S
    assert waits(monkeypatch, 86400, LATE, LATE, THERE) == [API_WAIT_S] * 3
    (short,) = waits(monkeypatch, 5, THERE)
    assert 4 < short <= 5


def test_a_change_that_does_not_appear_is_reported_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Any
    for answers in ([LATE], [Response(503, {}, b'{"code": "not_ready", "detail": "being made"}')]):
        with pytest.raises(CommandError, match=r"done, but it can't be read yet: (it is at|being)") as raised:
            waits(monkeypatch, 1e-9, *answers)
        assert raised.value.exit_code == exits.UNAVAILABLE


def test_an_import_has_nothing_to_wait_for_where_every_row_was_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2)
    spool.counts = [1, 2]
    refused, accepted = Committed(Counts(rejected=1), 0, -1), Committed(Counts(added=2), 1, 17)
    workers: Any = SimpleNamespace(count=1, append=lambda task, shares: [refused, accepted])
    counts, offsets = append(spool, "id", Settings(), [0, 0], workers, lambda rows: None)
    assert (counts.all, offsets) == (3, {1: 17})
