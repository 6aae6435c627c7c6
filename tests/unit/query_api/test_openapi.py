"""The query API's OpenAPI document."""

import pytest

from eventstore.partitions import partition_of
from schemas.events import BookAdded
from tests.support.openapi import Json, violations
from tests.support.query_api.api_without_kafka import PARTITIONS, ApiWithoutKafka
from tests.support.query_api.stocked_names import StockedNames

A = "9781593275846"
TOKEN = f"p~{'a' * 16}"
VALUES = {
    "isbn": A, "number": "1", "subject": "library.inventory.BookAdded", "version": "1", "offset": "0",
    "partition": str(partition_of(A, PARTITIONS)), "token": TOKEN,
}  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    folder = tmp_path_factory.mktemp("openapi")
    return ApiWithoutKafka(folder, [BookAdded(A, "T", "A", 1, 1)], StockedNames(ann=TOKEN))


@pytest.fixture(scope="module")
def document(api: ApiWithoutKafka) -> Json:
    value: Json = api.ask("/openapi.json").json()
    return value


def test_the_document_is_valid_and_complete(document: Json):
    assert violations(document) == []


def test_responses_have_a_validator_exactly_where_the_document_says_so(api: ApiWithoutKafka, document: Json):
    tagged = set()
    for path, item in document["paths"].items():
        if "get" not in item:
            continue
        response = api.ask(path.format(**VALUES), "HEAD")
        assert response.status_code == 200, path
        if "etag" in response.headers:
            tagged.add(path)
            again = api.ask(path.format(**VALUES), headers={"If-None-Match": response.headers["etag"]})
            assert (again.status_code, again.content) == (304, b""), path
        else:
            assert response.headers["cache-control"] == "no-store"
        documented = {parameter["name"] for parameter in item["get"].get("parameters", ())}
        assert ("If-None-Match" in documented) == ("304" in item["get"]["responses"]) == (path in tagged), (
            path
        )
    assert {"/inventory", "/inventory/{isbn}", "/docs", "/subjects"} <= tagged
