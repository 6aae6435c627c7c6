"""A query API in this process without Kafka. Its replica is filled directly with events."""

import asyncio
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import httpx

from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.topics import Identity
from foundation.http.callers import AllowedHosts
from foundation.settings import Settings
from inventory.projection import project
from query_api.following.follower import Follower
from query_api.following.source import Source
from query_api.following.waiters import Waiters
from query_api.http.app import create_app
from query_api.http.freshness import Reading
from query_api.http.group_lag import Group, GroupLags
from query_api.http.inventory_fast_path import InventoryFastPath
from query_api.http.metrics import Metrics
from query_api.http.operations import Operations
from query_api.http.patrons import Patrons
from query_api.http.services import Services
from query_api.replica.events import StoredEvent, put_events
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica, create_replica
from query_api.replica.rows import put_rows
from schemas.codec import encode
from schemas.events import Event
from schemas.names_view import NamesView
from schemas.row import InventoryRow
from tests.support.query_api.shared_routes import with_shared_routes
from tests.support.query_api.stock_evidence import StockEvidence

IDENTITY = Identity("cluster", "events", "changelog")
PARTITIONS = 4


class NoKafka:
    """A source whose store ends where the replica ends."""

    partitions, table = PARTITIONS, 1
    events, changelog = "library.events", "library-projector-inventory-changelog"

    def __init__(self, stock: "ApiWithoutKafka") -> None:
        self._stock = stock

    def high_watermark(self, partition: int, timeout: float) -> int:
        return self._stock.next[partition]

    def times(self, offsets: dict[int, int], timeout: float) -> dict[int, int | None]:
        stored = self._stock.stored
        return {
            p: next((e.at for e in stored if e.partition == p and e.offset >= offset), None)
            for p, offset in offsets.items()
        }

    def record(self, partition: int, offset: int, timeout: float) -> "StoredRecord | None":
        return next(
            (StoredRecord(e) for e in self._stock.stored if (e.partition, e.offset) == (partition, offset)),
            None,
        )


class StoredRecord:
    """A stored event as a record of Kafka."""

    def __init__(self, stored: StoredEvent) -> None:
        self._stored = stored

    def partition(self) -> int:
        return self._stored.partition

    def offset(self) -> int:
        return self._stored.offset

    def key(self) -> bytes:
        return event_key(self._stored.isbn, self._stored.version)

    def value(self) -> bytes | None:
        return self._stored.value

    def timestamp(self) -> tuple[int, int]:
        return 1, self._stored.at

    def headers(self) -> list[tuple[str, bytes | None]]:
        return [("command_id", self._stored.command_id.encode()), ("blob", b"\xff"), ("empty", None)]


class OneGroup:
    """A consumer group that has read nothing, and its members."""

    def __init__(self, stock: "ApiWithoutKafka") -> None:
        self._stock = stock
        self.committed: dict[int, int] = {}
        self.members: list[str] = ["client at host"]
        self.owned: dict[str, list[int]] = {}
        """The gateways by address, each with its partitions."""

    def groups(self) -> list[Group]:
        lag = {p: end - self.committed.get(p, 0) for p, end in enumerate(self._stock.next)}
        return [Group("readers", self.members, dict(self.committed), lag)]

    def gateways(self) -> dict[str, list[int]]:
        return self.owned


class IdleFollower(Follower):
    """A follower that follows nothing."""

    def start(self) -> None:
        pass

    def stop(self, timeout: float = 10.0) -> None:
        pass


class ApiWithoutKafka:
    """Events, their rows, a replica of both, and the application that serves it."""

    def __init__(self, folder: Path, events: Iterable[Event] = (), names: NamesView | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.replica: Replica = create_replica(folder, IDENTITY, PARTITIONS)
        self.next = [0] * PARTITIONS
        self.rows: dict[str, InventoryRow] = {}
        self.stored: list[StoredEvent] = []
        self.waiters = Waiters()
        self.source = NoKafka(self)
        self.groups = OneGroup(self)
        source, groups = cast(Source, self.source), cast(GroupLags, self.groups)
        self.follower = IdleFollower(source, folder, self.waiters.notify)
        self.follower.file.replica, self.follower.trouble = self.replica, None
        self.reading = Reading(source, self.follower, self.waiters, Patrons(names))
        self.settings = Settings(api="http://testserver")
        alone = Settings(api="http://127.0.0.1:9", gateway="")
        services = Services(alone, groups, self.reading.instance)
        self.operations = Operations(self.reading, source, groups, services)
        self._metrics = Metrics(self.reading, self.operations)
        self.put(*events)

    @cached_property
    def app(self) -> InventoryFastPath:
        """The application."""
        hosts = AllowedHosts(self.settings)
        evidence = StockEvidence(self)
        return with_shared_routes(
            lambda: create_app(
                self.reading, self.waiters, self._metrics, self.operations, hosts, self.settings, evidence
            )
        )

    def put(self, *events: Event | tuple[str, bytes, int]) -> list[str]:
        """Store events, or undecodable values (ISBN, bytes, time); return their positions."""
        batch, changed = [], {}
        for event in events:
            isbn, value, at = (
                event if isinstance(event, tuple) else (event.isbn, encode(event), event.timestamp)
            )
            kind = "unknown" if isinstance(event, tuple) else type(event).__name__
            partition = partition_of(isbn, PARTITIONS)
            offset, self.next[partition] = self.next[partition], self.next[partition] + 1
            version = 1 + max((e.version for e in self.stored if e.isbn == isbn), default=0)
            problem = "damaged" if isinstance(event, tuple) else None
            stored = StoredEvent(
                partition, offset, isbn, version, at, kind, f"c{len(self.stored)}", value, problem,
                digest=f"{len(self.stored):032x}",
            )  # fmt: skip
            self.stored.append(stored)
            batch.append(stored)
            row = project(self.rows.get(isbn), isbn, version, offset, value)
            self.rows[isbn] = changed[isbn] = row
        ends = tuple(self.next)
        after = Progress(ends, ends, ends, (True,) * PARTITIONS, ready=True)
        with self.replica.batch(after, changed) as db:
            put_events(db, batch)
            put_rows(db, changed.values())
        self.waiters.notify(after)
        return [f"{stored.partition}:{stored.offset}" for stored in batch]

    def ask(
        self, path: str, method: str = "GET", headers: Any = None, content: bytes = b""
    ) -> httpx.Response:
        """Send one request."""

        async def request() -> httpx.Response:
            async with self.client() as client:
                return await client.request(method, path, headers=headers, content=content)

        return asyncio.run(request())

    def client(self) -> httpx.AsyncClient:
        """A client of the application in this process."""
        transport = httpx.ASGITransport(cast(Any, self.app), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")
