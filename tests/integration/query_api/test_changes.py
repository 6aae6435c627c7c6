"""The stream of changes: each is sent once, after it is visible, also over restarts."""

import json
import threading
from typing import Any

import httpx

from foundation.settings import Settings
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.loan_traffic import ADDED, next_loan_event, running_api, store_writer
from tests.support.waiting import eventually


class Reader(threading.Thread):
    """Follows ``/changes`` until it has ``enough``, coming back with the last id whenever it is cut off."""

    def __init__(self, api: ApiProcess, enough: int, since: str) -> None:
        super().__init__(daemon=True)
        self.api, self.enough, self.last = api, enough, since
        self.found: list[dict[str, Any]] = []
        self.connected = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while len(self.found) < self.enough:
            try:
                self._follow()
            except httpx.TransportError:
                continue

    def _follow(self) -> None:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        with httpx.stream("GET", f"{self.api.url}/changes", headers=headers, timeout=20) as answer:
            if answer.status_code != 200:
                return
            self.connected += 1
            change = None
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "data":
                    change = json.loads(value)
                elif name == "id":
                    if change is not None:
                        self._check_visible(change)
                        self.found.append(change)
                        change = None
                    # Only now: a kill during the check must not skip the change
                    self.last = value
                    if len(self.found) >= self.enough:
                        return

    def _check_visible(self, change: dict[str, Any]) -> None:
        # A process that was just restarted may not have opened its replica yet
        row = eventually(lambda: self._row(change["isbn"]))
        if row["version"] < change["version"]:
            self.wrong.append(f"{change} but {row}")

    def _row(self, isbn: str) -> dict[str, Any] | None:
        answer = self.api.client.get(f"/inventory/{isbn}")
        return None if answer.status_code == 503 else answer.json()


def test_each_change_is_sent_once_after_it_is_visible_even_across_restarts(settings: Settings):
    writer = store_writer(settings)
    writer.commit(*ADDED)
    with running_api(settings) as api:
        reader = Reader(api, enough=len(ADDED) + 100, since="start")
        late = Reader(api, enough=50, since="")
        reader.start()
        late.start()
        eventually(lambda: late.last)
        for n in range(100):
            writer.append(next_loan_event(writer, n))
            writer.project()
            if n == 50:
                eventually(lambda: reader.found and len(late.found) >= 50)
                api.kill()
                api.start(ready=False)
        reader.join(60)
        assert not reader.is_alive()
    told = [(change["isbn"], change["version"]) for change in reader.found]
    assert sorted(told) == sorted((isbn, version) for _, _, isbn, version, _ in writer.log)
    assert reader.wrong == []
    assert reader.connected >= 2
    assert all("ann" not in json.dumps(change) for change in reader.found)
    # In the order of their versions; between partitions there is none
    assert in_order(reader.found)
    assert in_order(late.found)
    assert {change["position"] for change in late.found} <= {
        f"{p}:{o}" for p, o, *_ in writer.log[len(ADDED) :]
    }


def in_order(found: list[dict[str, Any]]) -> bool:
    versions: dict[str, list[int]] = {}
    for change in found:
        versions.setdefault(change["isbn"], []).append(change["version"])
    return all(list(range(told[0], told[0] + len(told))) == told for told in versions.values())
