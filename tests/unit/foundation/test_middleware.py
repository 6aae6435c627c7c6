"""What surrounds the routes of both services: access, HEAD, entity tags, headers."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from foundation.http.callers import AllowedHosts
from foundation.http.headers import SAFETY
from foundation.http.middleware import Middleware
from foundation.http.responses import etag_matches, etag_of
from foundation.settings import Settings

Pairs = list[tuple[bytes, bytes]]
HOST = (b"host", b"localhost")
BODY = b'{"items":[]}'
ETAG = etag_of(BODY).encode()


class App:
    """ASGI: answers with ``headers`` and ``parts``, and records the methods it is asked with."""

    def __init__(self, *parts: bytes, status: int = 200, headers: Pairs | None = None) -> None:
        self.parts, self.status, self.headers = parts, status, headers or []
        self.methods: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.methods.append(scope["method"])
        length = (b"Content-Length", str(sum(map(len, self.parts))).encode())
        headers = [*self.headers, length]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for number, part in enumerate(self.parts, 1):
            more = number < len(self.parts)
            await send({"type": "http.response.body", "body": part, "more_body": more})


class Answer:
    """The response of ``app`` inside the middleware to a request with ``headers``."""

    def __init__(
        self, app: Any, headers: Pairs, method: str = "GET", version: str = "1.1", raw_path: bytes = b"/"
    ) -> None:
        self.counts: Counter[int] = Counter()
        self.sent: list[Any] = []

        async def send(message: Any) -> None:
            self.sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        hosts = AllowedHosts(Settings())
        middleware = Middleware(app, hosts, cache_control="no-cache", counts=self.counts)
        scope: Any = {"type": "http", "method": method, "http_version": version, "headers": headers}
        scope |= {"raw_path": raw_path, "query_string": b""}
        asyncio.run(middleware(scope, receive, send))
        self.status = self.sent[0]["status"]
        self.headers = dict(self.sent[0]["headers"])
        self.body = b"".join(message["body"] for message in self.sent[1:])


def test_an_http_1_0_request_needs_no_host():
    assert Answer(App(BODY), [], version="1.0").status == 200
    # As granian says it
    assert Answer(App(BODY), [(b"host", b"")], version="1").status == 200
    assert Answer(App(BODY), [(b"host", b"evil.example")], version="1.0").status == 421
    assert Answer(App(BODY), [(b"origin", b"http://evil.example")], version="1.0").status == 403


def test_an_http_1_1_request_without_a_host_is_refused():
    answer = Answer(App(BODY), [])
    assert (answer.status, answer.counts) == (400, {400: 1})
    assert b"no_host" in answer.body


def test_a_request_whose_path_has_a_broken_escape_is_refused():
    app = App(BODY)
    answer = Answer(app, [HOST], raw_path=b"/inventory/%zz")
    assert answer.status == 400
    assert b"malformed" in answer.body
    assert app.methods == []


@pytest.mark.parametrize("name", [b"host", b"origin", b"authorization", b"last-event-id"])
def test_a_header_that_decides_something_may_not_occur_twice(name: bytes):
    app = App(BODY)
    answer = Answer(app, [HOST, (name, b"localhost"), (name, b"localhost")])
    assert answer.status == 400
    assert b"repeated_header" in answer.body
    assert app.methods == []


def test_other_headers_may_occur_twice():
    assert Answer(App(BODY), [HOST, (b"accept", b"a"), (b"accept", b"b")]).status == 200


def test_every_response_has_the_headers_that_keep_it_safe_unless_it_sets_them():
    answer = Answer(App(BODY, headers=[(b"Referrer-Policy", b"same-origin")]), [HOST])
    assert answer.headers == dict(SAFETY) | {
        b"referrer-policy": b"same-origin",
        b"cache-control": b"no-cache",
        b"content-length": str(len(BODY)).encode(),
        b"etag": ETAG,
    }


def test_head_is_a_get_without_its_body():
    app = App(BODY)
    answer = Answer(app, [HOST], "HEAD")
    assert (app.methods, answer.body) == (["GET"], b"")
    assert answer.headers[b"content-length"] == str(len(BODY)).encode()
    assert answer.headers[b"etag"] == ETAG


@pytest.mark.parametrize(
    "lines",
    [
        [ETAG],
        [b'"a", ' + ETAG + b' , "b"'],
        [b'"a"', ETAG],
        [b'"a"', b'"b", ' + ETAG],
        [b"W/" + ETAG],
        [b"*"],
        [b'"a",', b"", b"," + ETAG],
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_caller_with_the_current_representation_gets_304(lines: list[bytes], method: str):
    headers = [HOST, *((b"if-none-match", line) for line in lines)]
    answer = Answer(App(BODY), headers, method)
    assert (answer.status, answer.body, answer.headers[b"etag"]) == (304, b"", ETAG)
    assert answer.counts == {304: 1}
    assert answer.headers[b"cache-control"] == b"no-cache"
    assert not answer.headers.keys() & {b"content-length", b"content-type"}


@pytest.mark.parametrize("line", [b'"a"', b'"*"', b'"a,*,b"', b"", ETAG.strip(b'"'), b'"a", *'])
def test_a_caller_with_another_representation_gets_the_current_one(line: bytes):
    answer = Answer(App(BODY), [HOST, (b"if-none-match", line)])
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (ETAG, 200),
        (b'"a", ' + ETAG, 200),
        (b"*", 200),
        (b'"a"', 412),
        (b"W/" + ETAG, 412),
        (b"", 412),
        (ETAG.strip(b'"'), 412),
    ],
)
def test_if_match_asks_for_one_representation_or_a_412(line: bytes, status: int):
    answer = Answer(App(BODY), [HOST, (b"if-match", line)])
    assert (answer.status, answer.headers[b"etag"]) == (status, ETAG)
    lengths = {value for name, value in answer.headers.items() if name.lower() == b"content-length"}
    assert lengths == {b"%d" % len(answer.body)}
    if status == 412:
        assert json.loads(answer.body)["code"] == "precondition_failed"
        assert answer.headers[b"content-type"] == b"application/problem+json"
        assert Answer(App(BODY), [HOST, (b"if-match", line), (b"if-none-match", ETAG)]).status == 412


@pytest.mark.parametrize(
    "app",
    [
        App(BODY, headers=[(b"cache-control", b"no-store")]),
        App(BODY, status=404),
        App(BODY, status=503),
        App(BODY, BODY),
    ],
    ids=["not stored", "unknown", "unavailable", "in parts"],
)
def test_other_responses_have_no_entity_tag_and_ignore_the_callers(app: App):
    answer = Answer(app, [HOST, (b"if-none-match", b"*")])
    assert (answer.status, answer.body) == (app.status, b"".join(app.parts))
    assert b"etag" not in answer.headers


def test_a_response_to_post_is_not_stored():
    answer = Answer(App(BODY), [HOST, (b"if-none-match", b"*")], "POST")
    assert (answer.status, answer.headers[b"cache-control"]) == (200, b"no-store")


def test_an_entity_tag_of_the_route_is_kept():
    answer = Answer(App(BODY, headers=[(b"ETag", b'"mine"')]), [HOST, (b"if-none-match", b'"mine"')])
    assert (answer.status, answer.headers[b"etag"]) == (304, b'"mine"')


def test_the_allow_header_names_head():
    assert Answer(App(status=405, headers=[(b"Allow", b"OPTIONS, GET")]), [HOST]).headers[b"allow"] == (
        b"GET, HEAD, OPTIONS"
    )
    assert Answer(App(status=405, headers=[(b"Allow", b"POST")]), [HOST]).headers[b"allow"] == b"POST"


def test_an_encoded_body_is_refused():
    app = App(BODY)
    assert Answer(app, [HOST, (b"content-encoding", b"gzip")], "POST").status == 415
    for coding in (b"gzip, chunked", b"gzip", b"x"):
        assert Answer(app, [HOST, (b"transfer-encoding", coding)], "POST").status == 501
    assert app.methods == []
    assert Answer(app, [HOST, (b"transfer-encoding", b"Chunked")], "POST").status == 200


def test_an_entity_tag_depends_on_the_content_alone():
    assert etag_of(b"a") == etag_of(b"a") != etag_of(b"b")
    assert etag_matches(f'W/"x", {etag_of(b"a")}', etag_of(b"a"))
