"""The gateway as an HTTP service."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from litestar import Litestar

from foundation.http.app import create_litestar, provided
from foundation.http.callers import AllowedHosts
from foundation.http.middleware import Middleware
from foundation.http.openapi import ApiDocument
from foundation.http.server import serve
from foundation.settings import Settings
from foundation.tokens import parse_tokens
from producer.gateway.endpoint import CommandEndpoint
from producer.gateway.fast_path import CommandFastPath
from producer.gateway.gateway import Gateway
from producer.gateway.metrics import Metrics
from producer.gateway.openapi import complete
from producer.gateway.requests import RequestReader
from producer.gateway.routes import ROUTES


def run(settings: Settings) -> None:
    """Serve until SIGTERM; accepted commands are answered first. Raises foundation.http.server.PortTaken."""
    # A command makes many short-lived objects and no cycles: frequent collections cost a tenth of its time
    gc.set_threshold(5_000, 50, 100)
    metrics = Metrics()
    gateway = Gateway(settings, metrics.observe)
    metrics.gateway = gateway
    app = create_app(gateway, metrics)
    serve(app, settings.host, settings.effective_gateway_port, drain=gateway.drain)


def create_app(gateway: Gateway, metrics: Metrics) -> CommandFastPath:
    """The ASGI application. Its lifespan starts and stops the gateway."""
    settings = gateway.settings
    requests = RequestReader(settings)
    commands = CommandEndpoint(gateway, requests, metrics.answers)
    document = ApiDocument(lambda value: complete(value, token=bool(parse_tokens(settings.token))))

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    app = create_litestar(
        ROUTES,
        document,
        document.config(
            "Library inventory: commands",
            version("library-inventory"),
            "Changes the inventory. The query API answers what it holds.",
        ),
        dependencies={
            "gateway": provided(gateway),
            "requests": provided(requests),
            "commands": provided(commands),
            "counts": provided(metrics),
        },
        lifespan=running,
    )
    return CommandFastPath(Middleware(app, AllowedHosts(settings), cache_control="no-cache"), commands)
