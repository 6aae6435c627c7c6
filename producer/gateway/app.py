"""The gateway as an HTTP service."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from litestar import Litestar

from eventstore.headers import CARRIED
from foundation import tracing
from foundation.http.app import create_litestar, provided
from foundation.http.callers import AllowedHosts
from foundation.http.middleware import Middleware
from foundation.http.openapi import ApiDocument
from foundation.http.origins import VARY, PageAccess, PageOrigins
from foundation.http.server import bound, serve
from foundation.http.traced import TracedRequests
from foundation.settings import Settings
from foundation.tokens import parse_tokens
from producer.gateway.endpoint import CommandEndpoint
from producer.gateway.expiry import EXPIRY_HEADER
from producer.gateway.fast_path import CommandFastPath
from producer.gateway.gateway import Gateway
from producer.gateway.metrics import Metrics
from producer.gateway.openapi import complete, header_name
from producer.gateway.patrons import PatronEndpoint
from producer.gateway.requests import RequestReader
from producer.gateway.routes import ROUTES
from producer.gateway.sharing.address import advertised_address
from producer.gateway.sharing.membership import Members, Membership
from producer.gateway.sharing.peers import Peers
from producer.gateway.sharing.reception import Reception
from producer.gateway.sharing.routing import Router


def run(settings: Settings) -> None:
    """Serve until SIGTERM; accepted commands are answered first. Raises foundation.http.server.PortTaken."""
    # A command makes many short-lived objects and no cycles: frequent collections cost a tenth of its time
    gc.set_threshold(5_000, 50, 100)
    metrics = Metrics()
    gateway = Gateway(settings, metrics.observe)
    metrics.gateway = gateway
    listener = bound(settings.host, settings.link_port)
    reception = Reception(gateway, listener)
    membership = Membership(settings, advertised_address(settings, listener.getsockname()[1]))

    async def drain() -> None:
        # Others take the partitions over while the last answers are on their way
        await asyncio.gather(asyncio.to_thread(membership.stop), gateway.drain())

    tracing.start("library-gateway")
    app = create_app(gateway, metrics, membership, reception)
    serve(
        app if tracing.tracer is None else TracedRequests(app),
        settings.host,
        settings.effective_gateway_port,
        drain=drain,
    )


REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    EXPIRY_HEADER,
    *map(header_name, CARRIED),
)
RESPONSE_HEADERS = ("Location", "Inventory-Position", "Idempotency-Replayed", "Retry-After")


def create_app(
    gateway: Gateway, metrics: Metrics, membership: Membership, reception: Reception
) -> PageAccess:
    """The ASGI application. Its lifespan starts and stops the gateway."""
    settings = gateway.settings
    origins = PageOrigins(settings)
    hosts = AllowedHosts(settings, origins)
    requests = RequestReader(settings, hosts)
    peers = Peers(settings)
    router = Router(gateway, membership.address, peers)
    metrics.router = router
    commands = CommandEndpoint(router, requests, metrics.answers, PatronEndpoint(gateway))
    document = ApiDocument(lambda value: complete(value, token=bool(parse_tokens(settings.token))))

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def follow(members: Members) -> None:
            loop.call_soon_threadsafe(router.follow, members)

        gateway.start()
        # Others may use the address as soon as they see it in the group
        await reception.open()
        membership.start(follow)
        try:
            yield
        finally:
            await asyncio.gather(asyncio.to_thread(membership.stop), gateway.stop())
            peers.close()
            reception.close()

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
            "router": provided(router),
            "requests": provided(requests),
            "commands": provided(commands),
            "counts": provided(metrics),
        },
        lifespan=running,
    )
    framework = Middleware(app, hosts, cache_control="no-cache", more_headers=lambda _: VARY)
    return PageAccess(
        CommandFastPath(framework, commands),
        origins,
        methods="GET, HEAD, POST",
        request_headers=", ".join(REQUEST_HEADERS),
        response_headers=", ".join(RESPONSE_HEADERS),
    )
