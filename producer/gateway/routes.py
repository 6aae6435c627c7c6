"""The gateway's routes. What its OpenAPI document says besides is in ``gateway_document``."""

from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, HeaderParameter, QueryParameter
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from eventstore.state.outcomes import COMMAND_ID_MAX_CHARS, Unwritable, submit
from foundation.http.docs_page import POLICY, page
from foundation.http.problem import PROBLEM_JSON, Problem, ProblemDocument
from foundation.text import Malformed
from inventory import isbn as identifiers
from inventory.commands import Command, checked
from producer.gateway.gateway import Gateway
from producer.gateway.metrics import Metrics
from producer.gateway.requests import Intake, carried, malformed, once
from producer.gateway.responses import HttpResponse, answer, receipt_answer
from producer.receipt import ReceiptDocument

AnyRequest = Request[Any, Any, Any]

_MEANING = {
    400: "Malformed: `detail` says what, `field` where.",
    401: "The gateway asks for a token.",
    403: "A page of another origin may not ask.",
    404: "No command with this id was accepted, and no attempt begun before can be any more.",
    408: "The body did not arrive in time.",
    409: "A rule refuses it, `code` says which; a repeat is decided afresh. Of a look-up: name the title.",
    413: "The body is too large.",
    415: "Not application/json.",
    421: "The Host header does not name this service.",
    422: "The title has had another command with this Idempotency-Key.",
    503: "Nothing was done: Kafka is away (`unavailable`), too much is waiting (`full`), the gateway stops "
    "(`stopping`), or somebody has to act first (`unwritable`).",
    504: "It is not known yet whether it was done: repeat it with the same key, or ask at Location.",
}


class Health(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


class Readiness(Struct, frozen=True):
    """Whether commands can be carried out, and for each partition where they can't, why."""

    ready: bool
    troubles: dict[str, str]


def _problems(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            ProblemDocument, description=_MEANING[status], media_type=PROBLEM_JSON, generate_examples=False
        )
        for status in statuses
    }


def _header(name: str, description: str) -> ResponseHeader:
    return ResponseHeader(name=name, description=description, documentation_only=True)


@post(
    "/commands",
    operation_id="submit",
    response_description="Done, now or by an earlier request with the same key.",
    response_headers=[
        _header("Location", "Where the receipt can be read again."),
        _header("Inventory-Position", "The receipt's position, for `?after=` of a read."),
        _header("Idempotency-Replayed", "`true`: it was done by an earlier request."),
    ],
    responses={
        200: ResponseSpec(
            ReceiptDocument, description="Nothing to do: it is as wanted.", generate_examples=False
        ),
        **_problems(400, 401, 403, 408, 409, 413, 415, 421, 422, 503, 504),
    },
)
async def submit_command(
    request: AnyRequest,
    gateway: NamedDependency[Gateway],
    intake: NamedDependency[Intake],
    data: Annotated[Command, Body(description="What is to be done, to one title.")],
    idempotency_key: Annotated[
        str,
        HeaderParameter(
            name="Idempotency-Key",
            description="The command's id, which its caller chooses: a repeat has no second effect. Any "
            "text in UTF-8 without control characters, taken as it stands.",
            min_length=1,
            max_length=COMMAND_ID_MAX_CHARS,
        ),
    ],
) -> Response[ReceiptDocument]:
    """Carry out a command; the answer comes when its outcome is certain."""
    headers = once(list(request.scope["headers"]))
    intake.authorise(headers)
    try:
        submitted = submit(idempotency_key, checked(data), carried(headers))
    except Malformed as error:
        raise malformed(error) from error
    outcome = await gateway.submit(submitted)
    return _response(answer(outcome, submitted.command_id, submitted.command.isbn))


@get(
    "/commands/{command_id:path}",
    operation_id="look_up",
    responses=_problems(400, 401, 403, 404, 409, 421, 503),
)
async def look_up(
    request: AnyRequest,
    gateway: NamedDependency[Gateway],
    intake: NamedDependency[Intake],
    isbn: Annotated[
        str | None, QueryParameter(description="The command's title: each title has its own command ids.")
    ] = None,
) -> Response[ReceiptDocument]:
    """Read the receipt of an accepted command.

    This resolves an unknown outcome: with 404 nothing was done, and nothing will be unless it is sent again.
    """
    intake.authorise(once(list(request.scope["headers"])))
    try:
        title = None if isbn is None else identifiers.parse(isbn)
    except Malformed as error:
        raise malformed(error) from error
    # As it was sent: to the router a slash more or less makes no difference
    command_id = unquote(request.scope["raw_path"].decode("latin-1").partition("/commands/")[2])
    found = await gateway.look_up(command_id, title)
    if not isinstance(found, list):
        raise Problem(503, "unwritable" if isinstance(found, Unwritable) else "unavailable", found.reason)
    if len(found) > 1:
        titles = ", ".join(receipt.stream for receipt in found)
        raise Problem(409, "several_titles", f"{titles} each had a command with this id: add ?isbn=")
    if not found:
        detail = (
            "no command with this id was accepted, and no earlier attempt can be any more; it may be sent"
        )
        raise Problem(404, "no_such_command", detail)
    return _response(receipt_answer(found[0])._replace(status=200))


@get("/healthz", operation_id="health")
async def health() -> Health:
    """Liveness: the process answers."""
    return Health()


@get(
    "/readyz",
    operation_id="readiness",
    responses={503: ResponseSpec(Readiness, description="Not now.", generate_examples=False)},
)
async def readiness(gateway: NamedDependency[Gateway]) -> Response[Readiness]:
    """Readiness: whether commands of all partitions can be carried out, as far as the last try showed."""
    troubles = {str(partition): why for partition, why in gateway.troubles().items()}
    ready = not troubles and not gateway.stopping
    return Response(Readiness(ready, troubles), status_code=200 if ready else 503)


@get("/metrics", operation_id="metrics", media_type="text/plain")
async def metrics(counts: NamedDependency[Metrics]) -> Response[bytes]:
    """Metrics in Prometheus' format."""
    return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)


@get("/docs", operation_id="docs", media_type="text/html")
async def docs(request: AnyRequest) -> Response[str]:
    """This description as a page; /openapi.json has it for programs."""
    html = page(request.app.openapi_schema.to_schema())
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": POLICY})


ROUTES: list[Any] = [submit_command, look_up, health, readiness, metrics, docs]


def _response(told: HttpResponse) -> Response[Any]:
    headers = {name.decode(): value.decode("latin-1") for name, value in told.headers}
    return Response(
        told.body, status_code=told.status, media_type=headers.pop("content-type"), headers=headers
    )
