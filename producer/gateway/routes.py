"""The gateway's routes. ``openapi.py`` completes their description."""

from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import Struct
from prometheus_client import generate_latest

from eventstore.append.writer import now_ms
from eventstore.groups import gateway_url
from eventstore.state.outcomes import Unwritable
from foundation.http.app import METRICS_TYPE
from foundation.http.openapi import problem_specs, response_header
from foundation.http.problem import Problem
from foundation.http.responses import HttpResponse
from foundation.text import Malformed
from inventory import isbn as identifiers
from producer.gateway.endpoint import CommandEndpoint
from producer.gateway.expiry import TIME_PATH
from producer.gateway.gateway import Gateway
from producer.gateway.metrics import Metrics
from producer.gateway.requests import RequestReader, malformed
from producer.gateway.responses import UNAVAILABLE, UNWRITABLE, render_receipt
from producer.gateway.sharing.routing import Router
from producer.receipt import ReceiptDocument
from schemas.times import rfc3339

NOT_STORED = {"Cache-Control": "no-store"}
AnyRequest = Request[Any, Any, Any]

_MEANINGS = {
    400: "Malformed: `detail` says what, `field` where.",
    401: "The gateway requires a token.",
    403: "The token is of somebody else than the header Actor says, or the page is of another origin.",
    404: "No command with this id was accepted, and no attempt begun before can be any more.",
    408: "The body did not arrive in time.",
    409: "A rule refuses it, `code` says which; a repeat is decided afresh. Of a look-up: name the title. "
    "`open_loans`: the borrower has the titles in `isbns`; `no_names`: the store can't forget anybody.",
    412: "If-Match: commands have no entity tag.",
    413: "The body is too large.",
    415: "Not application/json.",
    422: "The title has had another command with this Idempotency-Key.",
    501: "The body has a Transfer-Encoding besides chunked.",
    503: "Nothing was done: Kafka can't be reached (`unavailable`), too many commands wait (`full`), the "
    "gateway stops (`stopping`), or somebody has to act first (`unwritable`).",
    504: "It is not known yet whether it was done, or it has expired: repeat it with the same key, or "
    "look it up at Location.",
}


class Readiness(Struct, frozen=True):
    """Whether commands can be carried out, and the trouble of each partition where they can't."""

    ready: bool
    troubles: dict[str, str]
    partitions: list[int]
    """Those that this gateway has."""
    others: dict[str, list[int]]
    """The other gateways of the store by their addresses, and the partitions that each has."""
    address: str
    """Where the others reach this one."""
    service: str = "gateway"
    """Which service answers."""


class Clock(Struct, frozen=True):
    """The gateway's clock, RFC 3339."""

    time: str


@post(
    "/commands",
    operation_id="submit",
    response_description="Done, now or by an earlier request with the same key.",
    response_headers=[
        response_header("Location", "Where the receipt can be read again."),
        response_header("Inventory-Position", "The receipt's position, for `?after=` of a read."),
        response_header("Idempotency-Replayed", "`true`: it was done by an earlier request."),
    ],
    responses={
        200: ResponseSpec(
            ReceiptDocument,
            description="Nothing to do: it is as wanted. Of a command about a borrower: how it ended.",
            generate_examples=False,
        ),
        **problem_specs(_MEANINGS, 400, 401, 403, 408, 409, 412, 413, 415, 422, 501, 503, 504),
    },
)
async def submit_command(
    request: AnyRequest, commands: NamedDependency[CommandEndpoint]
) -> Response[ReceiptDocument]:
    """Carry out a command; the response comes when its outcome is certain."""
    return _response(await commands.answer(request.scope, request.receive))


@get(
    "/commands/{command_id:path}",
    operation_id="look_up",
    responses=problem_specs(_MEANINGS, 400, 401, 404, 409, 503),
)
async def look_up(
    request: AnyRequest,
    router: NamedDependency[Router],
    requests: NamedDependency[RequestReader],
    isbn: Annotated[
        str | None, QueryParameter(description="The command's title: each title has its own command ids.")
    ] = None,
) -> Response[ReceiptDocument]:
    """Read the receipt of an accepted command.

    This resolves an unknown outcome: with 404 nothing was done, and no attempt that this gateway got before
    can succeed any more.
    """
    requests.authorize(request.scope)
    try:
        title = None if isbn is None else identifiers.parse(isbn)
    except Malformed as error:
        raise malformed(error) from error
    # As it was sent: the router ignores slashes at its ends
    sent = request.scope["raw_path"].decode("latin-1").partition("/commands/")[2]
    try:
        command_id = unquote(sent, errors="strict")
    except UnicodeDecodeError as error:
        raise Problem(400, "malformed", f"the path is not percent-encoded UTF-8: {error}") from error
    receipts = await router.look_up(command_id, title)
    if not isinstance(receipts, list):
        code = UNWRITABLE if isinstance(receipts, Unwritable) else UNAVAILABLE
        raise Problem(503, code, receipts.reason)
    if len(receipts) > 1:
        titles = ", ".join(receipt.stream for receipt in receipts)
        raise Problem(409, "several_titles", f"{titles} each had a command with this id: add ?isbn=")
    if not receipts:
        detail = (
            "no command with this id was accepted, and no attempt that this gateway got before can be any "
            "more: it may be sent"
        )
        raise Problem(404, "no_such_command", detail)
    return _response(render_receipt(receipts[0])._replace(status=200))


@get(
    "/readyz",
    operation_id="readiness",
    responses={503: ResponseSpec(Readiness, description="Not now.", generate_examples=False)},
)
async def readiness(
    gateway: NamedDependency[Gateway], router: NamedDependency[Router]
) -> Response[Readiness]:
    """Readiness: whether commands of this gateway's partitions can be carried out, as the last try showed."""
    troubles = {str(partition): why for partition, why in gateway.troubles().items()}
    ready = router.informed and not troubles and not gateway.stopping
    others = {gateway_url(address): theirs for address, theirs in router.partitions_of_others().items()}
    readiness = Readiness(ready, troubles, gateway.owned, others, gateway_url(router.address))
    return Response(readiness, status_code=200 if ready else 503, headers=NOT_STORED)


@get(TIME_PATH, operation_id="time")
async def clock() -> Response[Clock]:
    """The gateway's clock, from which a caller derives Expiry-Time."""
    return Response(Clock(rfc3339(now_ms())), headers=NOT_STORED)


@get("/metrics", operation_id="metrics", media_type="text/plain")
async def metrics(counts: NamedDependency[Metrics]) -> Response[bytes]:
    """Metrics in Prometheus' format."""
    return Response(generate_latest(counts.registry), media_type=METRICS_TYPE, headers=NOT_STORED)


ROUTES: list[Any] = [submit_command, look_up, clock, readiness, metrics]


def _response(response: HttpResponse) -> Response[Any]:
    headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}
    return Response(
        response.body,
        status_code=response.status,
        media_type=headers.pop("content-type"),
        headers=headers | NOT_STORED,
    )
