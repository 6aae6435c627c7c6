"""JSON bodies of requests: UTF-8, in which no name of an object occurs twice."""

from typing import Any

import msgspec
from litestar import Request

from foundation.http.problem import Problem
from foundation.json_names import require_unique_names
from foundation.text import Malformed

_OPT = "json_body"
JSON_BODY = {_OPT: None}
"""A route's ``opt``: its body is checked by ``check_json_body`` before the framework takes it apart."""
_UTF_8 = (b"", b"charset=utf-8", b"charset=utf8")


def is_json(media_type: bytes, *, suffixes: bool = False) -> bool:
    """Whether a Content-Type is JSON in UTF-8, the only encoding that JSON has, in any spelling.

    With ``suffixes`` also a kind of JSON, as ``application/vnd.schemaregistry.v1+json``.
    """
    kind, *parameters = media_type.lower().split(b";")
    kind = kind.strip()
    return (kind == b"application/json" or (suffixes and kind.endswith(b"+json"))) and all(
        parameter.replace(b'"', b"").strip() in _UTF_8 for parameter in parameters
    )


def json_body_of(kind: type) -> dict[str, Any]:
    """The same for a body whose members have the types of ``kind``: a number is no text, as ``"5"``."""
    return {_OPT: kind}


def has_json_body(request: Request[Any, Any, Any]) -> bool:
    """Whether the request's route wants its body checked."""
    return _OPT in request.route_handler.opt


async def check_json_body(request: Request[Any, Any, Any]) -> None:
    """Check a body of JSON, which need not have a Content-Type. Raises Problem 400 or 415.

    The framework's decoder takes the last of two members with one name, numbers in quotation marks, and any
    Content-Type. It does not foresee bytes that are not UTF-8, and nesting that exhausts the stack.
    """
    media_type = request.headers.get("content-type", "").strip().encode("latin-1")
    if media_type and not is_json(media_type, suffixes=True):
        raise Problem(
            415,
            "unsupported_media_type",
            "the body is sent as Content-Type: application/json",
            headers={"Accept-Post": "application/json"},
        )
    body = await request.body()
    if not body:
        # The framework says that it is missing
        return
    try:
        require_unique_names(body.decode())
        if (kind := request.route_handler.opt[_OPT]) is not None:
            msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise Problem(400, "malformed", f"{place.strip('.`') or 'body'}: {what}") from error
    except Malformed as error:
        raise Problem(400, "malformed", str(error)) from error
    except (ValueError, msgspec.DecodeError) as error:
        raise Problem(400, "malformed", f"body: not JSON: {error}") from error
