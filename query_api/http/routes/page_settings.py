"""The settings that the page for browsers needs."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Struct

from foundation.settings import Settings
from foundation.tokens import parse_tokens
from query_api.documents import json_of
from query_api.http.page_gateway import gateways_for_page
from query_api.http.parameters import AnyRequest
from query_api.http.responses import CACHED, json_response
from query_api.replica.tables import RELEASE


class PageSettings(Struct, frozen=True):
    """Settings of the system that the page shows or uses."""

    gateways: list[str]
    """Where browsers send commands: to the first that answers."""
    token_required: bool
    """Whether the gateway requires a bearer token."""
    timezone: str
    """The library's time zone: loans are due at the end of its day."""
    loan_days: int
    release: str


@get("/page/settings.json", operation_id="page_settings")
async def page_settings(request: AnyRequest, settings: NamedDependency[Settings]) -> Response[PageSettings]:
    """Settings of the system, for the page."""
    gateways = gateways_for_page(settings, request.headers.get("host", ""))
    required = bool(parse_tokens(settings.token))
    document = PageSettings(gateways, required, settings.timezone, settings.loan_days, RELEASE)
    return json_response(json_of(document), CACHED)


routes: list[Any] = [page_settings]
