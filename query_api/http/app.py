"""The HTTP application: its routes, its documentation, and what is done around each request."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, MediaType, Response
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from foundation.http.callers import AllowedHosts, problem_response
from foundation.http.problem import Problem
from query_api.following.waiters import Waiters
from query_api.http.freshness import Reading
from query_api.http.metrics import Metrics
from query_api.http.middleware import Middleware
from query_api.http.openapi import complete
from query_api.http.parameters import AnyRequest, provide_replica
from query_api.http.routes import changes, docs, health, inventory, loans, registry, stats
from query_api.replica.tables import RELEASE

DOCUMENT = "/openapi.json"


def create_app(reading: Reading, waiters: Waiters, metrics: Metrics, callers: AllowedHosts) -> Middleware:
    """The ASGI application. Its lifespan starts and stops the follower."""
    allowed: dict[str, frozenset[str]] = {DOCUMENT: frozenset()}

    async def refuse_undocumented(request: AnyRequest) -> None:
        known = allowed.get(str(request.scope.get("path_template")))
        if known is None:
            # The framework serves copies of the document, and pages of its own
            raise NotFoundException
        if request.route_handler.opt.get("any_parameter"):
            return
        seen = set()
        for name, _ in request.query_params.multi_items():
            if name not in known:
                has = f"it has {', '.join(sorted(known))}" if known else "it has none"
                raise Problem(400, "unknown_parameter", f"{name[:40]!r} is no parameter of this route: {has}")
            if name in seen:
                raise Problem(400, "repeated_parameter", f"{name!r} is given twice")
            seen.add(name)

    def given() -> Reading:
        return reading

    def counted() -> Metrics:
        return metrics

    def unreadable(request: AnyRequest, error: sqlite3.DatabaseError) -> Response[bytes]:
        return problem_response(request, reading.unreadable(error))

    @asynccontextmanager
    async def following(_: Litestar) -> AsyncIterator[None]:
        async with waiters.running():
            reading.follower.start()
            try:
                yield
            finally:
                reading.follower.stop()

    app = Litestar(
        route_handlers=[
            inventory.router,
            *loans.routes,
            *stats.routes,
            *changes.routes,
            *registry.routes,
            *docs.routes,
            *health.routes,
        ],
        dependencies={
            "replica": Provide(provide_replica),
            "reading": Provide(given, sync_to_thread=False),
            "metrics": Provide(counted, sync_to_thread=False),
        },
        before_request=refuse_undocumented,
        exception_handlers={sqlite3.DatabaseError: unreadable, Exception: problem_response},
        lifespan=[following],
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Library inventory",
            version=RELEASE,
            description="What the shelves hold, now and at any time. Every route answers HEAD too.",
            path=DOCUMENT,
            render_plugins=[JsonRenderPlugin(path="/", media_type=MediaType.JSON)],
            use_handler_docstrings=True,
        ),
    )
    complete(app.openapi_schema)
    allowed.update(_query_parameters(app))
    return Middleware(app, reading, metrics, callers)


def _query_parameters(app: Litestar) -> dict[str, frozenset[str]]:
    """Of each route, as they are documented: so what is not documented is not accepted either."""
    found: dict[str, frozenset[str]] = {}
    for path, item in (app.openapi_schema.paths or {}).items():
        operation: Any = item.get
        names = (
            {p.name for p in (operation.parameters or ()) if p.param_in == "query"} if operation else set()
        )
        found[path] = frozenset(names)
    return found
