"""Requests made from the OpenAPI document, good and bad: no 500, and answers as documented."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from schemas.events import BookAdded, BookBorrowed, BookRemoved
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

A, B = "9781593275846", "9781680502992"
AT = 1714564800123
ENDLESS = "/changes"
PLAIN = [
    "/checkpoints",
    "/config",
    "/docs",
    "/healthz",
    "/metrics",
    "/mode",
    "/operations",
    "/page/settings.json",
    "/readyz",
    "/schemas/types",
    "/subjects",
]
"""Routes that take nothing, so that nothing in a request can be wrong."""
ROUTES = [
    "/checkpoints/{partition}", "/checkpoints/{partition}/consistency", "/diff",
    "/events", "/events/{partition}/{offset}",
    "/inventory", "/inventory/{isbn}", "/inventory/{isbn}/history", "/loans", "/patrons/{token}",
    "/schemas/ids/{number}",
    "/schemas/ids/{number}/versions", "/schemas/ids/{number}/subjects", "/stats",
    "/subjects/{subject}/versions", "/subjects/{subject}/versions/{version}", "/config/{subject}",
    "/mode/{subject}",
]  # fmt: skip
POSTS = [
    "/loans/search", "/subjects/{subject}", "/subjects/{subject}/versions",
    "/compatibility/subjects/{subject}/versions", "/compatibility/subjects/{subject}/versions/{version}",
]  # fmt: skip
REQUESTS = [*((route, "GET") for route in ROUTES), *((route, "POST") for route in POSTS)]
TRIED = [(route, "GET", GenerationMode.POSITIVE) for route in PLAIN] + [
    (*request, mode) for request in REQUESTS for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    return ApiWithoutKafka(
        tmp_path_factory.mktemp("hostile"),
        [
            BookAdded(A, "Elixir in Action", "Saša Jurić", 10, AT),
            BookAdded(B, "Programming Elixir", "Dave Thomas", 5, AT + 1),
            BookBorrowed(A, "user123", AT + 1000, AT + 99_000),
            BookRemoved(B, AT + 2000),
        ],
    )


@pytest.fixture(scope="module")
def document(stock: ApiWithoutKafka) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", stock.app)


def test_fuzzing_covers_every_query_route(document: BaseSchema):
    operations: Any = document.get_all_operations()
    documented = sorted(operation.ok().path for operation in operations)
    assert documented == sorted([*PLAIN, *ROUTES, *POSTS, ENDLESS])


@pytest.mark.parametrize(("route", "method", "mode"), TRIED)
def test_the_query_api_answers_every_fuzzed_request_as_documented(
    document: BaseSchema, route: str, method: str, mode: GenerationMode
):
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=document[route][method].as_strategy(generation_mode=mode))
    def answered(case: schemathesis.Case) -> None:
        # A check digit, a partition's number, a time to come: more is asked for than a schema can say
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answered()


paths = st.sampled_from(
    ["/inventory", f"/inventory/{A}", "/loans", "/events", "/stats", "/readyz", "/subjects", "/docs", ENDLESS]
) | st.text(max_size=30).map(lambda text: f"/inventory/{quote(text, safe='')}")
names = st.sampled_from(
    [
        "q",
        "limit",
        "cursor",
        "sort",
        "at",
        "version",
        "after",
        "timeout",
        "user_id",
        "since",
        "until",
        "type",
        "partition",
    ]
)
odd = st.text(max_size=40) | st.sampled_from(
    ["\0", "'", '"', "%", "*", '" OR 1 --', "9" * 400, "-1", "1e9", "NaN", "٣"]
)
headers = st.sampled_from(["If-None-Match", "Accept", "Origin", "Host", "Last-Event-ID"])
printable = odd.map(lambda text: "".join(c for c in text if c.isprintable()).encode())


@settings(max_examples=150, deadline=None)
@given(paths, st.dictionaries(names, odd))
def test_any_path_and_query_gets_a_documented_answer(
    stock: ApiWithoutKafka, path: str, query: dict[str, str]
):
    # HEAD: some of it may be an endless stream
    answer = stock.ask(f"{path}?{urlencode(query)}", "HEAD")
    assert answer.status_code in (200, 400, 404, 410, 503)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(headers, printable))
def test_any_request_headers_get_a_documented_answer(stock: ApiWithoutKafka, sent: dict[str, bytes]):
    answer = stock.ask(f"/inventory/{A}", headers=sent)
    assert answer.status_code in (200, 304, 400, 403, 421)
