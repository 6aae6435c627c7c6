"""The query API's application: its routes and middleware."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Response
from litestar.di import Provide

from foundation.http.app import create_litestar, provided
from foundation.http.callers import AllowedHosts
from foundation.http.errors import problem_response
from foundation.http.middleware import Middleware
from foundation.http.openapi import ApiDocument
from foundation.settings import Settings
from query_api.following.evidence import Evidence
from query_api.following.waiters import Waiters
from query_api.http.freshness import Reading
from query_api.http.inventory_fast_path import InventoryFastPath
from query_api.http.metrics import Metrics
from query_api.http.openapi import complete
from query_api.http.operations import Operations
from query_api.http.page import Page
from query_api.http.parameters import AnyRequest, provide_read
from query_api.http.responses import CACHED
from query_api.http.routes import (
    changes,
    checkpoints,
    diff,
    events,
    health,
    inventory,
    loans,
    page_settings,
    patrons,
    registry,
    stats,
)
from query_api.http.routes import operations as operations_routes
from query_api.http.title_answers import TitleAnswers
from query_api.http.title_reader import TitleReader
from query_api.replica.tables import RELEASE

ROUTES = [
    inventory.router,
    *loans.routes,
    *patrons.routes,
    *stats.routes,
    *changes.routes,
    *diff.routes,
    *events.routes,
    *checkpoints.routes,
    *registry.routes,
    *health.routes,
    *operations_routes.routes,
    *page_settings.routes,
]
DOCUMENT = ApiDocument(complete)


def create_app(
    reading: Reading,
    waiters: Waiters,
    metrics: Metrics,
    operations: Operations,
    hosts: AllowedHosts,
    settings: Settings,
    evidence: Evidence,
) -> InventoryFastPath:
    """The ASGI application. Its lifespan starts and stops the follower and ``operations``."""

    def unreadable(request: AnyRequest, error: sqlite3.DatabaseError) -> Response[bytes]:
        return problem_response(request, reading.unreadable(error))

    def failed(request: AnyRequest, error: Exception) -> Response[bytes]:
        return problem_response(request, error, registry.as_registry_problem)

    @asynccontextmanager
    async def following(_: Litestar) -> AsyncIterator[None]:
        async with waiters.running():
            reading.start()
            operations.start()
            try:
                yield
            finally:
                operations.stop()
                reading.stop()

    app = create_litestar(
        ROUTES,
        DOCUMENT,
        DOCUMENT.config(
            "Library inventory",
            RELEASE,
            "The library's titles and loans, now and at any time. Every route answers HEAD, too.",
        ),
        dependencies={
            "read": Provide(provide_read),
            "reading": provided(reading),
            "patrons": provided(reading.patrons),
            "metrics": provided(metrics),
            "operations": provided(operations),
            "settings": provided(settings),
            "evidence": provided(evidence),
        },
        lifespan=following,
        exception_handlers={sqlite3.DatabaseError: unreadable, Exception: failed},
    )
    inner = Middleware(
        Page(app, settings),
        hosts,
        cache_control=CACHED,
        more_headers=lambda state: reading.headers(state["position"].encode()),
        counts=metrics.answers,
    )
    titles = TitleAnswers(TitleReader(reading.follower), reading, hosts, metrics.answers)
    return InventoryFastPath(inner, titles, reading, hosts, metrics.answers)


def titles_at_once(reading: Reading, metrics: Metrics, hosts: AllowedHosts) -> TitleAnswers:
    """Answers for the server's thread. It has its own titles and counter: nothing is shared with the loop."""
    return TitleAnswers(TitleReader(reading.follower), reading, hosts, metrics.answers_at_once)
