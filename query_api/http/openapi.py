"""What the OpenAPI document says of every route: headers of all answers, and who is turned away."""

from litestar.openapi.spec import OpenAPI, OpenAPIHeader, OpenAPIMediaType, OpenAPIResponse, Reference, Schema
from litestar.openapi.spec.enums import OpenAPIType

from foundation.http.problem import PROBLEM_JSON

_PROBLEM = {PROBLEM_JSON: OpenAPIMediaType(schema=Reference(ref="#/components/schemas/ProblemDocument"))}
_TURNED_AWAY = {
    "400": "The request is malformed: the detail says what.",
    "403": "A page of another origin asks.",
    "421": "The request is for another host.",
}


def complete(document: OpenAPI) -> None:
    """Add to each route what it shares with the others."""
    for item in (document.paths or {}).values():
        operation = item.get
        responses = operation.responses if operation is not None else None
        if responses is None:
            continue
        for status, meaning in _TURNED_AWAY.items():
            responses.setdefault(status, OpenAPIResponse(meaning, content=dict(_PROBLEM)))
        for status, response in responses.items():
            if isinstance(response, OpenAPIResponse):
                response.headers = {**(response.headers or {}), **_headers(status)}


def _headers(status: str) -> dict[str, OpenAPIHeader | Reference]:
    found: dict[str, OpenAPIHeader | Reference] = {
        "Inventory-Position": _header("What the answer includes, `partition:offset` each; empty: nothing.")
    }
    if status == "304":
        found["ETag"] = _header("The same as was sent.")
    if status == "503":
        found["Retry-After"] = _header("Seconds after which to try again.", required=False)
    return found


def _header(meaning: str, required: bool = True) -> OpenAPIHeader:
    return OpenAPIHeader(Schema(type=OpenAPIType.STRING), description=meaning, required=required)
