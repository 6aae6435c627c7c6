"""The application around a service's routes, with the routes that every service has."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from litestar import Litestar, Response, get
from litestar.di import NamedDependency, Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import ExceptionHandlersMap
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from foundation.http.docs_page import POLICY, page
from foundation.http.errors import problem_response
from foundation.http.openapi import ApiDocument

LARGEST_BODY_BYTES = 64 * 1024
"""Of any request: twice as long as the longest command in JSON."""


METRICS_TYPE = CONTENT_TYPE_LATEST.partition("; charset")[0]
"""The media type of metrics. The framework adds the charset."""


class Health(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


def create_litestar(
    routes: Sequence[Any],
    document: ApiDocument,
    config: OpenAPIConfig,
    *,
    dependencies: Mapping[str, Provide],
    lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]],
    exception_handlers: "ExceptionHandlersMap | None" = None,
) -> Litestar:
    """The application of ``routes``. Requests that ``document`` does not describe are refused."""
    app = Litestar(
        route_handlers=[*routes, health, docs],
        dependencies={**dependencies, "document": provided(document)},
        before_request=document.refuse_undocumented,
        exception_handlers={Exception: problem_response, **(exception_handlers or {})},
        lifespan=[lifespan],
        logging_config=None,
        request_max_body_size=LARGEST_BODY_BYTES,
        openapi_config=config,
    )
    document.make(app)
    return app


def provided(value: object) -> Provide:
    """A dependency of routes that is the same object for every request."""
    return Provide(lambda: value, sync_to_thread=False)


@get("/healthz", operation_id="health")
async def health() -> Health:
    """Liveness: the process answers."""
    return Health()


@get("/docs", operation_id="docs", media_type="text/html", sync_to_thread=False)
def docs(document: NamedDependency[ApiDocument]) -> Response[str]:
    """This description as a page; /openapi.json has it for programs."""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    return Response(page(document.value), media_type="text/html", headers=headers)
