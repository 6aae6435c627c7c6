"""OpenAPI documents: made from the routes, completed, and enforced for query parameters."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Litestar, MediaType, Request
from litestar.datastructures import ResponseHeader
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import OpenAPIRenderPlugin

from foundation.http.json_body import check_json_body, has_json_body
from foundation.http.problem import PROBLEM_JSON, ProblemDocument
from foundation.http.targets import check_query, has_encoded_slash, plain_type
from foundation.numbers import is_number

DOCUMENT_PATH = "/openapi.json"
ANY_PARAMETER = {"any_parameter": True}
"""A route's ``opt``: query parameters that its document does not have are accepted and ignored."""

LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
CONTACT = {"name": "The library's operators"}

Json: TypeAlias = dict[str, Any]


def problem_specs(meanings: Mapping[int, str], *statuses: int) -> dict[int, ResponseSpec]:
    """A route's ``responses`` for the problems that it answers with, described by ``meanings``."""
    return {
        status: ResponseSpec(
            ProblemDocument, description=meanings[status], media_type=PROBLEM_JSON, generate_examples=False
        )
        for status in statuses
    }


def response_header(name: str, description: str, *, required: bool = False) -> ResponseHeader:
    """A header in a route's ``response_headers``, for the document alone."""
    return ResponseHeader(name=name, description=description, required=required, documentation_only=True)


def header_object(description: str, *, required: bool = False, kind: str = "string") -> Json:
    """A response header in a document."""
    return {"description": description, "required": required, "schema": {"type": kind}}


def problem_object(description: str) -> Json:
    """A problem response in a document."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": description, "content": {PROBLEM_JSON: {"schema": schema}}}


def describe_validators(operation: Json) -> None:
    """Add to a route whose responses may be stored: they have an entity tag, and may be "not modified"."""
    etag = header_object("Made from the content: every process gives the same.", required=True)
    operation["responses"]["200"].setdefault("headers", {})["ETag"] = etag
    operation["responses"]["304"] = {
        "description": "The caller has the current representation.",
        "headers": {"ETag": etag},
    }
    operation.setdefault("parameters", []).append(
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The `ETag` that the caller has.",
            "schema": {"type": "string"},
        }
    )


def describe_headers(document: Json, headers_by_status: Mapping[str, Mapping[str, Json]]) -> None:
    """Add response headers, by status, to every route that answers with it."""
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            response.setdefault("headers", {}).update(headers_by_status.get(status, {}))


def tag_operations(document: Json, tags: Mapping[str, tuple[str, Collection[str]]]) -> None:
    """Group the operations: ``tags`` has the description and the operation ids of each group."""
    group_of = {operation: name for name, (_, members) in tags.items() for operation in members}
    document["tags"] = [{"name": name, "description": text} for name, (text, _) in tags.items()]
    for _, _, operation in operations(document):
        operation["tags"] = [group_of[operation["operationId"]]]


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation object of everything that the document describes."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


class ApiDocument(OpenAPIRenderPlugin):
    """The document of a service: the framework's, completed by ``complete``.

    It is made once, for the first application: all that have the same routes may share it.
    """

    def __init__(self, complete: Callable[[Json], None]) -> None:
        super().__init__(path="/", media_type=MediaType.JSON)
        self._complete = complete
        self.value: Json = {}
        self._body = b""
        self._parameters: dict[str, frozenset[str]] = {}
        self._plain: dict[tuple[str, str], dict[str, str]] = {}
        """The types of the numbers in a path, or in its query, by name."""

    def config(self, title: str, version: str, description: str) -> OpenAPIConfig:
        """The framework's configuration that serves this document."""
        return OpenAPIConfig(
            title=title,
            version=version,
            description=description,
            path=DOCUMENT_PATH,
            render_plugins=[self],
            use_handler_docstrings=True,
        )

    def make(self, app: Litestar) -> None:
        """Take the routes of ``app``, unless it is made; to be called once they are all registered."""
        if self.value:
            return
        self.value = _without_single_choices(app.openapi_schema.to_schema())
        self.value["info"] |= {"license": LICENSE, "contact": CONTACT}
        self.value["security"] = []
        for _, _, operation in operations(self.value):
            operation["summary"] = operation["description"].partition("\n")[0].rstrip(".")
            for response in operation["responses"].values():
                for header in response.get("headers", {}).values():
                    header.setdefault("schema", {"type": "string"})
        self._complete(self.value)
        self._body = msgspec.json.encode(self.value)
        self._parameters = {DOCUMENT_PATH: frozenset()}
        for path, _, operation in operations(self.value):
            parameters = operation.get("parameters", ())
            names = {p["name"] for p in parameters if p["in"] == "query"}
            self._parameters[path] = self._parameters.get(path, frozenset()) | names
            for parameter in parameters:
                if kind := plain_type(parameter["schema"]):
                    self._plain.setdefault((path, parameter["in"]), {})[parameter["name"]] = kind

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:  # noqa: ARG002
        """The document as JSON, in place of the framework's."""
        return self._body

    async def refuse_undocumented(self, request: Request[Any, Any, Any]) -> None:
        """For each request: refuse routes, query parameters and bodies that the document does not have.

        Raises Problem 400 or 415, and NotFoundException for routes that the framework adds: it serves copies
        of the document, and pages of its own.
        """
        path = str(request.scope.get("path_template"))
        parameters = self._parameters.get(path)
        if parameters is None:
            raise NotFoundException
        # The router drops empty segments, also encoded ones: /inventory/%2F would list the inventory
        if not _has_path(request) and (_has_empty_segment(request) or has_encoded_slash(request.scope)):
            raise NotFoundException
        if in_path := self._plain.get((path, "path")):
            _require_numbers(path, request.scope["path"], in_path)
        if not request.route_handler.opt.get("any_parameter"):
            check_query(request.scope["query_string"], parameters, self._plain.get((path, "query")))
        if has_json_body(request):
            await check_json_body(request)


def _require_numbers(template: str, path: str, numbers: Mapping[str, str]) -> None:
    """Raises NotFoundException, as the router does for text where a path has a number."""
    for name, text in zip(template.split("/"), path.split("/"), strict=False):
        kind = numbers.get(name.strip("{}").partition(":")[0])
        if kind is not None and not is_number(kind, text):
            raise NotFoundException


def _has_empty_segment(request: Request[Any, Any, Any]) -> bool:
    raw_path = request.scope["raw_path"]
    return b"//" in (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path)


def _has_path(request: Request[Any, Any, Any]) -> bool:
    """Whether the route has a parameter that may contain slashes."""
    return any(path.endswith(":path}") for path in request.route_handler.paths)


def _without_single_choices(value: Any) -> Any:
    """A schema for each ``oneOf`` that offers only one, as the framework writes optional members."""
    if isinstance(value, list):
        return [_without_single_choices(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: _without_single_choices(item) for name, item in value.items()}
    if len(value.get("oneOf", ())) == 1:
        value |= value.pop("oneOf")[0]
    return value
