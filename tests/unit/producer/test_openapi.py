"""The gateway's OpenAPI document."""

import asyncio

import pytest

from inventory.commands import REASONS
from tests.support.openapi import Json, violations
from tests.unit.producer.test_fast_path import Lane, application, request


def document_of(**settings: object) -> Json:
    response = asyncio.run(request(application(Lane(), **settings)[1], "GET", "/openapi.json"))
    value: Json = response.json()
    return value


@pytest.mark.parametrize("token", ["", "sesame"])
def test_the_document_is_valid_and_complete(token: str):
    assert violations(document_of(token=token)) == []


def test_the_document_says_whether_a_token_is_required():
    submit = document_of(token="sesame")["paths"]["/commands"]["post"]
    assert submit["security"] == [{"token": []}]
    open_to_all = document_of()
    assert open_to_all["security"] == []
    assert "security" not in open_to_all["paths"]["/commands"]["post"]


def test_every_command_is_described_with_its_limits():
    document = document_of()
    body = document["paths"]["/commands"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schemas = document["components"]["schemas"]
    commands = {name: schemas[name] for name in body["discriminator"]["mapping"]}
    assert len(commands) == len(body["oneOf"]) == 11
    for name, schema in commands.items():
        assert schema["description"]
        assert schema["additionalProperties"] is False
        assert schema["properties"]["type"] == {"enum": [name]}
        about = "user_id" if name.endswith("Patron") else "isbn"
        assert {about, "type"} <= set(schema["required"])
    assert commands["WithdrawCopies"]["properties"]["reason"]["enum"] == list(REASONS)


def test_responses_have_a_validator_exactly_where_the_document_says_so():
    app = application(Lane([]))[1]
    for path, item in document_of()["paths"].items():
        if "get" in item:
            response = asyncio.run(request(app, "GET", path.format(command_id="x")))
            parameters = {parameter["name"] for parameter in item["get"].get("parameters", ())}
            documented = "If-None-Match" in parameters, "304" in item["get"]["responses"]
            assert documented == ("etag" in response.headers,) * 2, path
            assert ("etag" in response.headers) != (response.headers["cache-control"] == "no-store"), path
