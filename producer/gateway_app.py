"""The gateway as an HTTP service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from producer.gateway import Gateway
from producer.gateway_document import complete
from producer.gateway_front import Front
from producer.gateway_metrics import Metrics
from producer.gateway_routes import ROUTES
from producer.http_intake import LARGEST_BODY, Intake
from schemas.http import problem_response
from schemas.serve import serve
from schemas.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM; what was accepted is answered first. Raises schemas.serve.PortTaken."""
    metrics = Metrics()
    gateway = Gateway(settings, metrics.observe)
    metrics.gateway = gateway
    app = create_app(gateway, metrics)
    serve(app, settings.host, settings.effective_gateway_port, drain=gateway.drain)


def create_app(gateway: Gateway, metrics: Metrics) -> Front:
    """The ASGI application. Its lifespan starts and stops the gateway."""
    intake = Intake(gateway.settings)

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
        exception_handlers={Exception: problem_response},
        lifespan=[working],
        logging_config=None,
        request_max_body_size=LARGEST_BODY,
        openapi_config=OpenAPIConfig(
            title="Library inventory: commands",
            version=version("library-inventory"),
            description="Changes the inventory. What it holds is read elsewhere, from the query API.",
            path="/",
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
        ),
    )
    complete(app, token=bool(gateway.settings.token))
    return Front(app, gateway, intake, metrics.answers)
