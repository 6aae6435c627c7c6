"""The schema registry: as Confluent's, which can't be written to."""

import json
from typing import Any

import pytest

from schemas.codec import CODEC
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

SUBJECT = "library.inventory.BookAdded"
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    return ApiWithoutKafka(tmp_path_factory.mktemp("api"))


def post(api: ApiWithoutKafka, path: str, schema: str, **more: Any) -> Any:
    content = json.dumps({"schema": schema} | more).encode()
    return api.ask(path, "POST", {"Content-Type": MEDIA_TYPE}, content)


def newest(api: ApiWithoutKafka, subject: str = SUBJECT) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/subjects/{subject}/versions/latest").json()
    return found


def test_every_schema_is_served(api: ApiWithoutKafka):
    subjects = api.ask("/subjects?deleted=false").json()
    assert len(subjects) == len({schema.subject for schema in CODEC.schemas.values()})
    for subject in subjects:
        assert api.ask(f"/subjects/{subject}/versions?deleted=false&offset=0").json() == [1]
        found = newest(api, subject)
        assert api.ask(f"/subjects/{subject}/versions/1").json() == found
        by_id = api.ask(f"/schemas/ids/{found['id']}?subject=library.events-value").json()
        assert by_id["schema"] == found["schema"]
        assert api.ask(f"/schemas/ids/{found['id']}/subjects").json() == [subject]
        assert api.ask(f"/schemas/ids/{found['id']}/versions").json() == [{"subject": subject, "version": 1}]
    assert api.ask("/schemas/types").json() == ["AVRO"]


def test_a_schema_by_its_id_never_changes(api: ApiWithoutKafka):
    response = api.ask(f"/schemas/ids/{newest(api)['id']}")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["etag"]
    assert api.ask("/schemas/ids/77").headers["cache-control"] == "no-store"
    assert api.ask("/subjects").headers["cache-control"] == "no-cache"


def test_a_schema_that_exists_is_found_and_registered_however_it_is_written(api: ApiWithoutKafka):
    schema = newest(api)
    rewritten = json.dumps(json.loads(schema["schema"]), indent=4, sort_keys=True)
    for text in (schema["schema"], rewritten):
        found = post(api, f"/subjects/{SUBJECT}?normalize=false&deleted=false", text)
        assert (found.status_code, found.json()) == (200, schema)
        assert found.headers["cache-control"] == "no-store"
        registered = post(api, f"/subjects/{SUBJECT}/versions?normalize=false", text, schemaType="AVRO")
        assert (registered.status_code, registered.json()) == (200, {"id": schema["id"]})


ANY = '{"type": "string"}'
REFUSED = [
    ("POST", f"/subjects/{SUBJECT}", ANY, 404, 40403),
    ("POST", f"/subjects/{SUBJECT}", "{", 422, 42201),
    ("POST", f"/subjects/{SUBJECT}", "[" * 30_000, 422, 42201),
    ("POST", f"/subjects/{SUBJECT}", '{"type": "string", "type": "string"}', 422, 42201),
    ("POST", "/subjects/nothing", ANY, 404, 40401),
    ("POST", f"/subjects/{SUBJECT}/versions", ANY, 422, 42205),
    ("POST", "/subjects/nothing/versions", ANY, 404, 40401),
    ("POST", f"/compatibility/subjects/{SUBJECT}/versions/latest", "{", 422, 42201),
    ("POST", f"/compatibility/subjects/{SUBJECT}/versions/latest", '{"type": "strin"}', 422, 42201),
    ("POST", f"/compatibility/subjects/{SUBJECT}/versions", '{"type": "record"}', 422, 42201),
    ("POST", f"/compatibility/subjects/{SUBJECT}/versions/2", ANY, 404, 40402),
    ("POST", f"/compatibility/subjects/{SUBJECT}/versions/0", ANY, 422, 42202),
    ("POST", "/compatibility/subjects/nothing/versions/latest", ANY, 404, 40401),
    ("POST", "/compatibility/subjects/nothing/versions", ANY, 404, 40401),
    ("POST", "/compatibility/nothing", ANY, 404, 404),
    ("DELETE", f"/subjects/{SUBJECT}", "", 405, 405),
    ("DELETE", f"/subjects/{SUBJECT}/versions/1", "", 405, 405),
    ("PUT", "/config", ANY, 405, 405),
    ("PUT", "/mode", ANY, 405, 405),
    ("GET", "/config/nothing", "", 404, 40401),
    ("GET", "/mode/nothing", "", 404, 40401),
    ("GET", "/contexts", "", 404, 404),
    ("GET", "/schemas/ids/77", "", 404, 40403),
    ("GET", "/schemas/ids/-1", "", 400, 400),
    ("GET", "/subjects/nothing/versions", "", 404, 40401),
    ("GET", f"/subjects/{SUBJECT}/versions/7", "", 404, 40402),
    ("GET", f"/subjects/{SUBJECT}/versions/x", "", 422, 42202),
]


@pytest.mark.parametrize(("method", "path", "schema", "status", "error_code"), REFUSED)
def test_every_error_has_confluents_format(
    api: ApiWithoutKafka, method: str, path: str, schema: str, status: int, error_code: int
):
    response = post(api, path, schema) if method == "POST" else api.ask(path, method)
    document = response.json()
    assert (response.status_code, document["error_code"]) == (status, error_code), document
    assert document["message"] == document["detail"]
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 30_000,
        b'{"schema": "\xff"}',
        b'{"schema": 1}',
        b"{}",
        b'{"schema": "{}", "schema": "{}"}',
        b'{"schema": "{}"} x',
    ],
)
def test_a_request_without_a_schema_has_confluents_format_too(api: ApiWithoutKafka, content: bytes):
    response = api.ask(f"/subjects/{SUBJECT}", "POST", {"Content-Type": MEDIA_TYPE}, content)
    assert (response.status_code, response.json()["error_code"]) == (400, 400)
    assert content or response.json()["detail"] == "body: it is empty"


WITH_NOTE = {"name": "note", "type": "string"}


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda fields: fields, []),
        (lambda fields: fields[::-1], []),
        (lambda fields: [*fields, WITH_NOTE | {"default": ""}], []),
        (
            lambda fields: [*fields, WITH_NOTE],
            ["it can't read version 1: /note: the field is not written, and has no default"],
        ),
        (
            lambda fields: [field for field in fields if field["name"] != "title"],
            ["version 1 can't read it: /title: the field is not written, and has no default"],
        ),
        (
            lambda fields: [
                field | {"type": "long"} if field["name"] == "quantity" else field for field in fields
            ],
            ["version 1 can't read it: /quantity: int does not read long"],
        ),
    ],
)
def test_a_schema_is_compatible_if_old_and_new_programs_read_each_other(
    api: ApiWithoutKafka, change: Any, messages: list[str]
):
    schema = json.loads(newest(api)["schema"])
    text = json.dumps(schema | {"fields": change(schema["fields"])})
    for path in ("versions/latest", "versions/1", "versions/-1", "versions"):
        answer = post(api, f"/compatibility/subjects/{SUBJECT}/{path}?normalize=false&verbose=true", text)
        assert (answer.status_code, answer.json()) == (
            200,
            {"is_compatible": not messages, "messages": messages},
        )
        assert answer.headers["cache-control"] == "no-store"
        assert post(api, f"/compatibility/subjects/{SUBJECT}/{path}", text).json() == {
            "is_compatible": not messages
        }


def test_a_subject_is_as_all(api: ApiWithoutKafka):
    assert api.ask(f"/config/{SUBJECT}?defaultToGlobal=true").json() == api.ask("/config").json()
    assert api.ask(f"/mode/{SUBJECT}").json() == api.ask("/mode").json()


def test_another_type_of_schema_is_none(api: ApiWithoutKafka):
    response = post(api, f"/subjects/{SUBJECT}", newest(api)["schema"], schemaType="PROTOBUF")
    assert (response.status_code, response.json()["error_code"]) == (422, 42201)


def test_other_errors_are_problems_alone(api: ApiWithoutKafka):
    assert "error_code" not in api.ask("/nothing").json()
    assert "error_code" not in api.ask("/inventory?limit=0").json()


def test_a_request_that_is_not_json_has_confluents_format_too(api: ApiWithoutKafka):
    response = api.ask(f"/subjects/{SUBJECT}", "POST", {"Content-Type": "text/plain"}, b"{}")
    assert (response.status_code, response.json()["error_code"]) == (415, 415)


def test_an_encoded_request_is_refused(api: ApiWithoutKafka):
    headers = {"Content-Type": MEDIA_TYPE, "Content-Encoding": "gzip"}
    response = api.ask(f"/subjects/{SUBJECT}", "POST", headers, b"{}")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_encoding")
