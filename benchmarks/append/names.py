"""Commands over HTTP with names kept apart, beside a store with user ids in its events."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks.append.load import TITLES_A_LOAD, load
from benchmarks.harness.names import NamesCost, Pair, names_cost
from benchmarks.harness.servers import gateway

CLIENTS = (1, 16, 256)
WARM_UP_S = 5.0


def commands(two: Pair, durability: str, folder: Path, seconds: float) -> Iterator[NamesCost]:
    """Measure a gateway of each store: two commands of three name a borrower, who is registered already."""
    first_titles = count(0, TITLES_A_LOAD)

    def rate(url: str, clients: int, seconds: float = seconds) -> float:
        return load(url, folder, clients, seconds, next(first_titles))[0]

    with (
        gateway(two.user_ids, folder / "user-ids") as user_ids,
        gateway(two.names_apart, folder / "names") as names_apart,
    ):
        for server in (user_ids, names_apart):
            rate(server.url, max(CLIENTS), WARM_UP_S)
        for clients in CLIENTS:

            def of(url: str, clients: int = clients) -> float:
                return rate(url, clients)

            yield names_cost(f"gateway, {durability}", clients, of, user_ids.url, names_apart.url)
