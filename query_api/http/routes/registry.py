"""The schemas of both topics, by the API of Confluent's schema registry.

Its clients look up and register schemas with POST. A schema that exists is found by both; none can be added.
https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

import json
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Struct

from foundation.http.json_body import JSON_BODY
from foundation.http.openapi import ANY_PARAMETER
from foundation.http.problem import Problem
from foundation.json_names import require_unique_names
from query_api.http.parameters import AnyRequest
from query_api.http.responses import CACHED, IMMUTABLE, NOT_STORED, problems
from schemas.codec import CODEC, Schema
from schemas.resolution import NotASchema, ParsedSchema, mismatch

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
NAMESPACE = "library.inventory"
LEVEL = "FULL"
MODE = "READONLY"

SchemaId = Annotated[int, PathParameter(ge=0, description="The id that values carry.")]
Subject = Annotated[str, PathParameter(min_length=1, max_length=200, description="A record's full name.")]
Version = Annotated[
    str, PathParameter(min_length=1, max_length=20, description="A number from 1, or `latest`.")
]


class SchemaText(Struct, frozen=True):
    """A schema by itself."""

    schema: str


class Registered(Struct, frozen=True):
    """A version of a subject."""

    subject: str
    version: int
    id: int
    schema: str


class SubjectVersion(Struct, frozen=True):
    """Where a schema is used."""

    subject: str
    version: int


class RegisteredId(Struct, frozen=True):
    """The id of a schema."""

    id: int


class Compatibility(Struct, frozen=True, omit_defaults=True):
    """Whether a schema may follow the one that it is compared with; ``messages``, on request: why not."""

    is_compatible: bool
    messages: list[str] | None = None


class SchemaRequest(Struct, frozen=True, rename="camel"):
    """A schema that a client has."""

    schema: str
    schema_type: str = "AVRO"


# Clients send parameters about deleted schemas and formats: here nothing is deleted, and everything is Avro
_get = partial(get, media_type=MEDIA_TYPE, sync_to_thread=False, opt=ANY_PARAMETER)
_post = partial(post, media_type=MEDIA_TYPE, opt=ANY_PARAMETER | JSON_BODY, status_code=200)


@_get("/schemas/types", operation_id="schema_types")
def schema_types() -> Response[list[str]]:
    """The kinds of schemas: Avro."""
    return _answer(["AVRO"])


@_get("/schemas/ids/{number:int}", operation_id="schema_by_id", responses=problems(400, 404))
def schema_by_id(number: SchemaId) -> Response[SchemaText]:
    """The schema with this id."""
    return _answer(SchemaText(_by_id(number).text), IMMUTABLE)


@_get("/schemas/ids/{number:int}/versions", operation_id="schema_versions", responses=problems(400, 404))
def schema_versions(number: SchemaId) -> Response[list[SubjectVersion]]:
    """Subject and version of the schema with this id."""
    schema = _by_id(number)
    return _answer([SubjectVersion(_name(schema), schema.version)])


@_get("/schemas/ids/{number:int}/subjects", operation_id="schema_subjects", responses=problems(400, 404))
def schema_subjects(number: SchemaId) -> Response[list[str]]:
    """The subject of the schema with this id."""
    return _answer([_name(_by_id(number))])


@_get("/subjects", operation_id="subjects")
def subjects() -> Response[list[str]]:
    """All subjects: the full names of the records in both topics."""
    return _answer(sorted({_name(schema) for schema in CODEC.schemas.values()}))


@_get("/subjects/{subject:str}/versions", operation_id="subject_versions", responses=problems(400, 404))
def subject_versions(subject: Subject) -> Response[list[int]]:
    """The versions of a subject."""
    return _answer([schema.version for schema in _of(subject)])


@_get(
    "/subjects/{subject:str}/versions/{version:str}",
    operation_id="subject_version",
    responses=problems(400, 404, 422),
)
def subject_version(subject: Subject, version: Version) -> Response[Registered]:
    """A version of a subject."""
    schema = _version(subject, version)
    return _answer(Registered(subject, schema.version, schema.id, schema.text))


@_get("/config", operation_id="registry_config")
def registry_config() -> Response[dict[str, str]]:
    """How schemas may change: backward and forward compatible with the version before."""
    return _answer({"compatibilityLevel": LEVEL})


@_get("/config/{subject:str}", operation_id="subject_config", responses=problems(400, 404))
def subject_config(subject: Subject) -> Response[dict[str, str]]:
    """How the schemas of a subject may change: as all."""
    _of(subject)
    return _answer({"compatibilityLevel": LEVEL})


@_get("/mode", operation_id="registry_mode")
def registry_mode() -> Response[dict[str, str]]:
    """The registry can't be written to: schemas are released with the program."""
    return _answer({"mode": MODE})


@_get("/mode/{subject:str}", operation_id="subject_mode", responses=problems(400, 404))
def subject_mode(subject: Subject) -> Response[dict[str, str]]:
    """Whether a subject can be written to: as all."""
    _of(subject)
    return _answer({"mode": MODE})


@_post("/subjects/{subject:str}", operation_id="look_up_schema", responses=problems(400, 404, 415, 422))
async def look_up_schema(subject: Subject, data: JSONBody[SchemaRequest]) -> Response[Registered]:
    """The version of a subject that has this schema."""
    schema = _equal_schema(subject, data)
    if schema is None:
        raise _problem(404, 40403, f"no version of {subject} has this schema")
    return _answer(Registered(subject, schema.version, schema.id, schema.text), NOT_STORED)


@_post(
    "/subjects/{subject:str}/versions", operation_id="register_schema", responses=problems(400, 404, 415, 422)
)
async def register_schema(subject: Subject, data: JSONBody[SchemaRequest]) -> Response[RegisteredId]:
    """The id of a schema that the subject has already; no other can be added."""
    schema = _equal_schema(subject, data)
    if schema is None:
        raise _problem(422, 42205, f"{subject} is read-only: schemas are released with the program")
    return _answer(RegisteredId(schema.id), NOT_STORED)


@_post(
    "/compatibility/subjects/{subject:str}/versions/{version:str}",
    operation_id="test_compatibility",
    responses=problems(400, 404, 415, 422),
)
async def test_compatibility(
    request: AnyRequest, subject: Subject, version: Version, data: JSONBody[SchemaRequest]
) -> Response[Compatibility]:
    """Whether a schema reads data of this version of the subject, and this version data of the schema."""
    schema = _version(subject, version)
    return _compared(request, _candidate(data), schema)


@_post(
    "/compatibility/subjects/{subject:str}/versions",
    operation_id="test_compatibility_all",
    responses=problems(400, 404, 415, 422),
)
async def test_compatibility_all(
    request: AnyRequest, subject: Subject, data: JSONBody[SchemaRequest]
) -> Response[Compatibility]:
    """Whether a schema may follow the subject's newest version, as `FULL` asks."""
    schema = _of(subject)[-1]
    return _compared(request, _candidate(data), schema)


def _compared(request: AnyRequest, candidate: Any, schema: Schema) -> Response[Any]:
    try:
        theirs, ours = ParsedSchema(candidate), ParsedSchema(json.loads(schema.text))
        reasons = {
            f"it can't read version {schema.version}": mismatch(theirs, ours),
            f"version {schema.version} can't read it": mismatch(ours, theirs),
        }
    except NotASchema as error:
        raise _problem(422, 42201, f"not an Avro schema: {error}") from error
    messages = [f"{what}: {why}" for what, why in reasons.items() if why]
    verbose = request.query_params.get("verbose") == "true"
    return _answer(Compatibility(not messages, messages if verbose else None), NOT_STORED)


def _answer(value: object, cache_control: str = CACHED) -> Response[Any]:
    headers = {"Cache-Control": cache_control}
    return Response(msgspec.json.encode(value), media_type=MEDIA_TYPE, headers=headers)


def _equal_schema(subject: str, request: SchemaRequest) -> Schema | None:
    versions, candidate = _of(subject), _candidate(request)
    return next((schema for schema in versions if json.loads(schema.text) == candidate), None)


def _candidate(request: SchemaRequest) -> Any:
    """The schema in a request, as JSON has it. Raises Problem."""
    try:
        if request.schema_type != "AVRO":
            raise ValueError(f"the type {request.schema_type[:40]!r} is not AVRO")
        candidate = json.loads(request.schema)
        require_unique_names(request.schema)
    except (ValueError, RecursionError) as error:
        raise _problem(422, 42201, f"not an Avro schema: {error}") from error
    return candidate


def _name(schema: Schema) -> str:
    return f"{NAMESPACE}.{schema.subject}"


def _by_id(number: int) -> Schema:
    schema = CODEC.schemas.get(number)
    if schema is None:
        raise _problem(404, 40403, f"no schema has the id {number}: /subjects lists what there is")
    return schema


def _of(subject: str) -> list[Schema]:
    found = sorted((s for s in CODEC.schemas.values() if _name(s) == subject), key=lambda s: s.version)
    if not found:
        raise _problem(404, 40401, f"no subject is called {subject[:100]!r}: /subjects lists them")
    return found


def _version(subject: str, version: str) -> Schema:
    """A version of a subject, as a path names it. Raises Problem."""
    versions = _of(subject)
    if version in ("latest", "-1"):
        return versions[-1]
    if not (version.isascii() and version.isdigit() and int(version) > 0):
        raise _problem(422, 42202, f"{version!r} is no version: give a number from 1, or latest")
    for schema in versions:
        if schema.version == int(version):
            return schema
    raise _problem(404, 40402, f"{subject} has no version {version}: the newest is {versions[-1].version}")


def _problem(status: int, error_code: int, detail: str) -> Problem:
    return Problem(status, "unknown_schema", detail, error_code=error_code, message=detail)


def as_registry_problem(path: str, problem: Problem) -> Problem:
    """A problem on a path of the registry's API, with or without a route, as its clients parse it."""
    if path.lstrip("/").partition("/")[0] in _ROOTS and "error_code" not in problem.more:
        problem.more |= {"error_code": problem.status, "message": problem.detail}
    return problem


_ROOTS = {"subjects", "schemas", "config", "mode", "compatibility", "contexts", "associations"}
routes: list[Any] = [
    schema_types, schema_by_id, schema_versions, schema_subjects, subjects, subject_versions, subject_version,
    look_up_schema, register_schema, test_compatibility, test_compatibility_all, registry_config,
    subject_config, registry_mode, subject_mode,
]  # fmt: skip
