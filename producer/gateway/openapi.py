"""The gateway's OpenAPI document: additions to the types of its routes."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from eventstore.headers import ACTOR, CARRIED
from eventstore.state.outcomes import ACTOR_MAX_CHARS, COMMAND_ID_MAX_CHARS
from foundation.http.openapi import (
    Json,
    describe_headers,
    describe_validators,
    header_object,
    operations,
    problem_object,
    tag_operations,
)
from inventory.commands import FIELDS, AnyCommand
from producer.gateway.expiry import EXPIRY_HEADER
from producer.receipt import PatronDocument

_KEY = (
    "The command's id, chosen by its caller: a repeat has no second effect. Any text in UTF-8 without "
    "control characters, taken literally."
)
_EXPIRY = (
    "From this time on, by the gateway's clock, nobody begins to decide the command: the answer is 504. "
    "RFC 3339 with an offset. Derive it from `/time` before you send the command: half a second after it has "
    "expired, the command may be sent to another gateway, whose answer is final."
)
_REFUSALS = {
    "400": "Malformed: `detail` says what, `field` where.",
    "403": "Pages of another origin may not use the gateway.",
    "421": "The Host header does not name this service.",
}
_KEY_LIMITS = {"minLength": 1, "maxLength": COMMAND_ID_MAX_CHARS}
_CARRIED_LIMITS = {ACTOR: {"maxLength": ACTOR_MAX_CHARS}}
_HEADERS = {
    "401": {"WWW-Authenticate": header_object("`Bearer`.", required=True)},
    "503": {"Retry-After": header_object("Seconds after which to try again.", kind="integer")},
    "504": {
        "Retry-After": header_object("Seconds after which to try again.", kind="integer", required=True),
        "Location": header_object("Where the outcome can be looked up; not of a command about a borrower."),
    },
}
TAGS = {
    "commands": ("Changing the inventory.", ("submit", "look_up", "time")),
    "operation": ("How the service is.", ("health", "readiness", "metrics", "docs")),
}


def complete(document: Json, *, token: bool) -> None:
    """Add to the document; ``token``: the gateway requires one."""
    submit = document["paths"]["/commands"]["post"]
    look_up = document["paths"]["/commands/{command_id}"]["get"]
    document["components"]["schemas"].update(_command_schemas())
    content = submit["responses"]["200"]["content"]["application/json"]
    content["schema"] = {"oneOf": [content["schema"], {"$ref": "#/components/schemas/PatronDocument"}]}
    submit["requestBody"] = {"required": True, "content": {"application/json": {"schema": _any_command()}}}
    submit["parameters"] = [
        _header("Idempotency-Key", _KEY, required=True, limits=_KEY_LIMITS),
        _header(EXPIRY_HEADER, _EXPIRY, limits={}),
        *(
            _header(header_name(name), meaning, limits=_CARRIED_LIMITS.get(name, {}))
            for name, meaning in CARRIED.items()
        ),
    ]
    for parameter in look_up["parameters"]:
        if parameter["name"] == "command_id":
            parameter["description"] = "The Idempotency-Key of the command, percent-encoded."
            parameter["schema"] = {"type": "string", "minLength": 1}
    for _, _, operation in operations(document):
        for status, meaning in _REFUSALS.items():
            operation["responses"].setdefault(status, problem_object(meaning))
    for path in ("/docs", "/healthz"):
        describe_validators(document["paths"][path]["get"])
    describe_headers(document, _HEADERS)
    tag_operations(document, TAGS)
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "One of the setting `token`, if it is not empty. A named one says who did it.",
        }
    }
    if token:
        submit["security"] = look_up["security"] = [{"token": []}]


def header_name(name: str) -> str:
    """The request header of a header in CARRIED."""
    return name.replace("_", "-").title()


def _header(name: str, description: str, *, required: bool = False, limits: Mapping[str, int]) -> Json:
    schema = {"type": "string", **limits}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _command_schemas() -> dict[str, Json]:
    types = (*get_args(AnyCommand), PatronDocument)
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for kind in get_args(AnyCommand):
        for name in kind.__struct_fields__:
            if name in FIELDS:
                schemas[kind.__name__]["properties"][name].update(FIELDS[name].limits)
    return schemas


def _any_command() -> dict[str, Any]:
    names = [kind.__name__ for kind in get_args(AnyCommand)]
    references = {name: f"#/components/schemas/{name}" for name in names}
    return {
        "description": "The command, to one title, or about one borrower.",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
