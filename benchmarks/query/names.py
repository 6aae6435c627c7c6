"""Reads that name borrowers with names kept apart, beside a store with user ids in its events."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks.harness.load import CONNECTIONS, WARM_UP_S, Request, load, script
from benchmarks.harness.names import NamesCost, Pair, names_cost
from benchmarks.harness.servers import projecting, query_api
from benchmarks.harness.store import fill
from library.store.pseudonyms import register
from schemas.directory import Directory
from tests.support.workload import Step, workload

ASKED_TITLES = 500


def reads(two: Pair, folder: Path, titles: int, seed: int, events: int) -> Iterator[NamesCost]:
    """Fill both stores with the same events, and measure a query API of each."""
    happened = list(islice(workload(titles, seed), events))
    fill(two.user_ids, happened)
    borrowers = {user for one in happened if (user := getattr(one.event, "user_id", None)) is not None}
    directory = register(two.names_apart, sorted(borrowers))
    fill(two.names_apart, (_with_token(one, directory) for one in happened))
    for settings in two:
        with projecting(settings, folder / settings.name):
            pass
    isbns = list({one.event.isbn: None for one in happened})[:ASKED_TITLES]
    cases = {
        "history": [Request(f"/inventory/{isbn}/history") for isbn in isbns],
        "loans of a title": [Request(f"/loans?isbn={isbn}") for isbn in isbns],
        "page of 50 loans": [Request("/loans?limit=50")],
        "page of 50 events": [Request("/events?limit=50")],
        "one title": [Request(f"/inventory/{isbn}") for isbn in isbns],
    }
    with (
        query_api(two.user_ids, folder / "api-user-ids") as user_ids,
        query_api(two.names_apart, folder / "api-names") as names_apart,
    ):
        present = [request for request in cases["one title"] if user_ids.has(request.path)]
        for case, requests in {**cases, "one title": present}.items():
            lua = script(requests, folder / f"{case.replace(' ', '-')}.lua")
            for server in (user_ids, names_apart):
                load(server.url, lua, max(CONNECTIONS), WARM_UP_S)

            def rate(url: str, lua: Path = lua) -> float:
                return load(url, lua, max(CONNECTIONS))[0]

            yield names_cost(case, max(CONNECTIONS), rate, user_ids.url, names_apart.url)


def _with_token(happened: Step, directory: Directory) -> Step:
    event: Any = happened.event
    command: Any = happened.command
    token = directory.token_of(getattr(event, "user_id", None) or "")
    if token is None:
        return happened
    return Step(replace(command, user_id=token), happened.version, replace(event, user_id=token))
