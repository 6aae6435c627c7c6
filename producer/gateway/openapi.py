"""What the gateway's OpenAPI document says that its routes' types don't say."""

from typing import Any, get_args

from litestar import Litestar
from litestar.enums import ParamType
from litestar.openapi.spec import OpenAPIType, Parameter, Schema, SecurityScheme

from inventory.commands import AUTHOR_LENGTH, MOST_COPIES, REASONS, TITLE_LENGTH, USER_LENGTH, Command
from inventory.isbn import LONGEST

CARRIED = {
    "traceparent": "W3C Trace Context; what can't be parsed is ignored.",
    "Causation-Id": "What caused the command.",
    "Correlation-Id": "What the command belongs to.",
    "Client-Time": "The caller's clock, RFC 3339 with an offset.",
}
"""Headers that are carried to the events of the command."""
_LIMITS: dict[str, dict[str, Any]] = {
    "isbn": {
        "description": "ISBN-10, ISBN-13 or another EAN-13, with or without hyphens.",
        "max_length": LONGEST,
    },
    "title": {"min_length": 1, "max_length": TITLE_LENGTH},
    "author": {"max_length": AUTHOR_LENGTH},
    "user_id": {"min_length": 1, "max_length": USER_LENGTH},
    "quantity": {"minimum": 1, "maximum": MOST_COPIES},
    "reason": {"enum": list(REASONS)},
}


def complete(app: Litestar, *, token: bool) -> None:
    """Add to the document of ``app`` what is known here; call it before the document is asked for."""
    document: Any = app.openapi_schema
    schemas = document.components.schemas
    for kind in get_args(Command):
        schema = schemas[kind.__name__]
        schema.description, schema.additional_properties = kind.__doc__, False
        for name, limits in _LIMITS.items():
            for limit, value in limits.items() if name in schema.properties else ():
                setattr(schema.properties[name], limit, value)
    submit, look_up = document.paths["/commands"].post, document.paths["/commands/{command_id}"].get
    submit.parameters += [
        Parameter(name, ParamType.HEADER, Schema(type=OpenAPIType.STRING), description)
        for name, description in CARRIED.items()
    ]
    for parameter in look_up.parameters:
        if parameter.name == "command_id":
            parameter.description = "The Idempotency-Key of the command, percent-encoded."
            parameter.schema = Schema(type=OpenAPIType.STRING, min_length=1)
    if token:
        document.components.security_schemes = {"token": SecurityScheme(type="http", scheme="bearer")}
        submit.security = look_up.security = [{"token": []}]


def query_parameters(app: Litestar) -> dict[str, frozenset[str]]:
    """The names that each path's document has."""
    document: Any = app.openapi_schema
    return {
        path: frozenset(
            parameter.name
            for operation in (item.get, item.post)
            for parameter in (operation.parameters if operation and operation.parameters else ())
            if parameter.param_in == "query"
        )
        for path, item in document.paths.items()
    }
