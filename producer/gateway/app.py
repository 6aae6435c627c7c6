"""The gateway as an HTTP service."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from litestar import Litestar, MediaType, Request
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from foundation.http.callers import problem_response
from foundation.http.problem import Problem
from foundation.http.server import serve
from foundation.settings import Settings
from producer.gateway.fast_path import CommandFastPath
from producer.gateway.gateway import Gateway
from producer.gateway.metrics import Metrics
from producer.gateway.openapi import complete, query_parameters
from producer.gateway.requests import LARGEST_BODY, Intake
from producer.gateway.routes import ROUTES

DOCUMENT = "/openapi.json"


def run(settings: Settings) -> None:
    """Serve until SIGTERM; what was accepted is answered first. Raises foundation.http.server.PortTaken."""
    # A command makes many short-lived objects and no cycles: to look for them often costs a tenth of its time
    gc.set_threshold(5_000, 50, 100)
    metrics = Metrics()
    gateway = Gateway(settings, metrics.observe)
    metrics.gateway = gateway
    app = create_app(gateway, metrics)
    serve(app, settings.host, settings.effective_gateway_port, drain=gateway.drain)


def create_app(gateway: Gateway, metrics: Metrics) -> CommandFastPath:
    """The ASGI application. Its lifespan starts and stops the gateway."""
    intake = Intake(gateway.settings)
    known: dict[str, frozenset[str]] = {DOCUMENT: frozenset()}

    async def refuse_undocumented(request: Request[Any, Any, Any]) -> None:
        parameters = known.get(str(request.scope.get("path_template")))
        if parameters is None:
            # The framework serves a copy of the document, and a page of its own
            raise NotFoundException
        if other := sorted(set(request.query_params) - parameters):
            has = ", ".join(parameters) or "none"
            detail = f"{other[0][:40]!r} is no parameter of this route, which has {has}"
            raise Problem(400, "unknown_parameter", detail)

    @asynccontextmanager
    async def working(_: Litestar) -> AsyncIterator[None]:
        gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    app = Litestar(
        route_handlers=ROUTES,
        dependencies={
            "gateway": Provide(lambda: gateway, sync_to_thread=False),
            "intake": Provide(lambda: intake, sync_to_thread=False),
            "counts": Provide(lambda: metrics, sync_to_thread=False),
        },
        before_request=refuse_undocumented,
        exception_handlers={Exception: problem_response},
        lifespan=[working],
        logging_config=None,
        request_max_body_size=LARGEST_BODY,
        openapi_config=OpenAPIConfig(
            title="Library inventory: commands",
            version=version("library-inventory"),
            description="Changes the inventory. What it holds is read elsewhere, from the query API.",
            path=DOCUMENT,
            render_plugins=[JsonRenderPlugin(path="/", media_type=MediaType.JSON)],
            use_handler_docstrings=True,
        ),
    )
    complete(app, token=bool(gateway.settings.token))
    known.update(query_parameters(app))
    return CommandFastPath(app, gateway, intake, metrics.answers)
