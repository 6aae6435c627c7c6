"""The description of the routes, for people."""

from typing import Any

from litestar import Response, get

from foundation.http.docs_page import POLICY, page
from query_api.http.parameters import AnyRequest
from query_api.http.responses import SHARED


@get("/docs", operation_id="docs", media_type="text/html", sync_to_thread=False)
def docs(request: AnyRequest) -> Response[str]:
    """This description as a page; /openapi.json has it for programs."""
    html = page(request.app.openapi_schema.to_schema())
    headers = {"Cache-Control": SHARED, "Content-Security-Policy": POLICY}
    return Response(html, media_type="text/html", headers=headers)


routes: list[Any] = [docs]
