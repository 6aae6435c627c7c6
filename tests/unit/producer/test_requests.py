"""Requests for commands that are almost right."""

import asyncio
import json
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from eventstore.state.outcomes import Accepted
from foundation.text import Malformed
from inventory.commands import AddBook, Command, CorrectDetails, from_json
from producer.gateway import requests
from tests.support.producer.writer_calls import ISBN
from tests.unit.producer.test_fast_path import BODY, HEADERS, RECEIPT, Lane, application, request


def send(lane: Lane, **more: Any) -> httpx.Response:
    return asyncio.run(request(application(lane)[1], **more))


def refused(status: int, code: str, **more: Any) -> httpx.Response:
    """The response to a request that must be refused, before it comes to a lane."""
    lane = Lane(Accepted(RECEIPT))
    response = send(lane, **more)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert lane.submitted == []
    return response


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=utf8",
        'application/json; charset="UTF8"; ',
    ],
)
def test_json_in_utf_8_is_accepted_however_it_is_named(content_type: str):
    assert send(Lane(Accepted(RECEIPT)), headers=HEADERS | {"content-type": content_type}).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=latin-1",
        "application/json; version=2",
        "application/problem+json",
        "; charset=utf-8",
    ],
)
def test_another_media_type_is_refused_with_the_right_one(content_type: str):
    headers = HEADERS | {"content-type": content_type}
    response = refused(415, "unsupported_media_type", headers=headers)
    assert response.headers["accept-post"] == "application/json"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, identity", "x-unknown", "aws-chunked"])
def test_a_content_encoding_is_refused_with_the_accepted_one(encoding: str):
    response = refused(415, "unsupported_encoding", headers=HEADERS | {"content-encoding": encoding})
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_the_identity_encoding_is_accepted(encoding: str):
    assert send(Lane(Accepted(RECEIPT)), headers=HEADERS | {"content-encoding": encoding}).status_code == 201


def test_a_command_expires_when_its_header_says():
    lane = Lane(Accepted(RECEIPT))
    assert send(lane, headers=HEADERS | {"expiry-time": "1970-01-01T01:00:02.5+01:00"}).status_code == 201
    assert send(lane).status_code == 201
    assert [submitted.expires_at_ms for submitted in lane.submitted] == [2500, None]


@pytest.mark.parametrize("expiry", ["", "5", "2026-03-01T12:00:00", "tomorrow", b"\xff"])
def test_an_expiry_that_is_no_time_is_refused(expiry: str | bytes):
    response = refused(400, "malformed", headers=HEADERS | {"expiry-time": expiry})
    assert response.json()["field"] == "Expiry-Time"


@pytest.mark.parametrize("value", ["*", '"a"', ""])
def test_a_command_has_no_entity_tag_to_match(value: str):
    refused(412, "precondition_failed", headers=HEADERS | {"if-match": value})


def test_a_look_up_of_an_id_that_is_not_utf_8_is_refused():
    response = send(Lane(), method="GET", path="/commands/%FF")
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


def test_the_type_of_the_metrics_names_the_charset_once():
    response = send(Lane(), method="GET", path="/metrics")
    assert response.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize("query", ["dry_run=true", "dry_run", "a=1&a=2", "%69sbn=1", "=", "a;b"])
def test_a_query_is_refused(query: str):
    refused(400, "unknown_parameter", path=f"/commands?{query}")


@pytest.mark.parametrize(
    "name", ["Idempotency-Key", "Content-Type", "Content-Encoding", "Client-Time", "Expiry-Time", "Host"]
)
def test_a_header_that_decides_something_may_not_occur_twice(name: str):
    headers = [*HEADERS.items(), (name, "a"), (name, "a")]
    refused(400, "repeated_header", headers=headers)


REPEATED = {
    "the same value": BODY.replace(b"{", b'{"isbn": "%s", ' % ISBN.encode()),
    "another value": BODY.replace(b"{", b'{"isbn": "1", '),
    "the type": BODY.replace(b"{", b'{"type": "BorrowBook", '),
    "written with escapes": BODY.replace(b"{", b'{"\\u0069sbn": "1", '),
    "null first": BODY.replace(b"{", b'{"user_id": null, ').replace(b"BorrowBook", b"ReturnBook"),
    "with space": BODY.replace(b"{", b'{"user_id" : "bob" , '),
    "at the end": BODY.replace(b"}", b', "user_id": "bob"}'),
}


@pytest.mark.parametrize("body", REPEATED.values(), ids=REPEATED)
def test_a_member_that_occurs_twice_is_refused_by_its_name(body: bytes):
    response = refused(400, "malformed", content=body)
    field = response.json()["field"]
    assert field in ("isbn", "type", "user_id")
    assert field in response.json()["detail"]


def test_a_value_that_looks_like_a_members_name_is_none():
    lane = Lane(Accepted(RECEIPT))
    body = json.dumps({"type": "AddBook", "isbn": ISBN, "title": "title", "author": '"isbn": "'})
    assert send(lane, content=body.encode()).status_code == 201
    assert lane.submitted[0].command == AddBook(ISBN, "title", '"isbn": "')


TITLES = st.sampled_from(["Elixir", "isbn", '"isbn": ', "a\\b", "Jurić", "title"])
USERS = st.sampled_from(["ann", "type", "user_id", '"user_id":"bob"', "č"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "isbn": st.sampled_from([ISBN, "978-1593275846"]),
    "title": TITLES,
    "author": TITLES | st.just(""),
    "quantity": st.just(1),
    "reason": st.just("lost"),
    "user_id": USERS,
}
KINDS = st.sampled_from(get_args(Command))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A command in JSON, and whether a member occurs twice in it."""
    kind = draw(KINDS)
    names = [f.name for f in fields(kind) if f.required or draw(st.booleans())]
    if kind is CorrectDetails and len(names) == 1:
        names.append("title")
    members = [("type", kind.__name__), *((name, draw(VALUES[name])) for name in names)]
    repeated = draw(st.booleans())
    if repeated:
        name, value = draw(st.sampled_from(members))
        again = value if name == "type" else draw(VALUES[name])
        members.insert(draw(st.integers(0, len(members))), (name, again))
    parts = []
    for name, value in members:
        key = f"\\u{ord(name[0]):04x}{name[1:]}" if draw(st.booleans()) else name
        space = draw(st.sampled_from(["", " ", "\n"]))
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        parts.append(f'{space}"{key}"{space}:{space}{text}')
    return ("{" + ",".join(parts) + "}").encode(), repeated


@given(bodies())
def test_repeated_members_are_found_and_no_others(body: tuple[bytes, bool]):
    text, repeated = body
    command = from_json(text)
    if repeated:
        with pytest.raises(Malformed):
            requests.check_names(command, text)
    else:
        requests.check_names(command, text)
