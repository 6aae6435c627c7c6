"""Who did it, as requests to the gateway say it: by header, or by the name of their token."""

import asyncio
from typing import Any

import httpx
import pytest

from eventstore.state.outcomes import Accepted, Refused, checked_envelope
from foundation.text import Malformed
from producer.gateway.responses import parse_response
from tests.unit.producer.test_fast_path import HEADERS, RECEIPT, Lane, application, request

TOKENS = "desk=sesame,Alžběta=tahini,halva"


def sent(settings: dict[str, Any] | None = None, **headers: str | bytes) -> tuple[httpx.Response, Lane]:
    """The response to a command with these headers, and the lane that may have got it."""
    lane = Lane(Accepted(RECEIPT))
    app = application(lane, **(settings or {}))[1]
    given: Any = {
        name: value.encode() if isinstance(value, str) else value for name, value in headers.items()
    }
    return asyncio.run(request(app, headers={**HEADERS, **given})), lane


def actor(settings: dict[str, Any] | None = None, **headers: str) -> str | None:
    """The actor of the command in a request that is accepted."""
    response, lane = sent(settings, **headers)
    assert response.status_code == 201, response.text
    return lane.submitted[0].carried.get("actor")


def test_the_header_says_who_did_it_and_nobody_did_without_one():
    assert actor(actor=" Žofie at desk 2 ") == "Žofie at desk 2"
    assert actor(actor="Zoe\u0308") == "Zo\u00eb"
    assert actor() is None
    assert actor(actor="") is None


def test_the_gateways_own_setting_names_nobody():
    assert actor({"actor": "the operator"}) is None


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"a" * 201, "201 characters"),
        (b"a\x07b", "control character"),
        ("a\u0085b".encode(), "control character"),
        ("a\u202eb".encode(), "not shown"),
        ("\u200b".encode(), "not shown"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_bad_actor_is_refused_by_the_headers_name(value: bytes, detail: str):
    response, lane = sent(actor=value)
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (
        400,
        "malformed",
        "Actor",
    )
    assert detail in response.json()["detail"]
    assert lane.submitted == []


def test_the_name_of_the_token_says_who_did_it():
    tokens = {"token": TOKENS}
    assert actor(tokens, authorization="Bearer sesame") == "desk"
    assert actor(tokens, authorization="Bearer tahini") == "Alžběta"
    assert actor(tokens, authorization="Bearer tahini", actor=" Alžběta") == "Alžběta"
    assert actor(tokens, authorization="Bearer halva") is None
    assert actor(tokens, authorization="Bearer halva", actor="Ann") == "Ann"
    for wrong in ("Bearer desk=sesame", f"Bearer {TOKENS}", "Bearer desk", "Bearer ", "sesame"):
        assert sent(tokens, authorization=wrong)[0].status_code == 401


def test_a_named_token_may_not_be_used_for_somebody_else():
    response, lane = sent({"token": TOKENS}, authorization="Bearer sesame", actor="Alžběta")
    assert (response.status_code, response.json()["code"]) == (403, "other_actor")
    assert "desk" in response.json()["detail"]
    assert lane.submitted == []
    outcome = parse_response(403, response.headers, response.content, "id")
    assert isinstance(outcome, Refused)
    assert outcome.rejection.code == "other_actor"


def test_two_actors_are_one_too_many():
    headers = [*HEADERS.items(), ("actor", "ann"), ("actor", "bob")]
    response = asyncio.run(request(application(Lane(Accepted(RECEIPT)))[1], headers=headers))
    assert (response.status_code, response.json()["code"]) == (400, "repeated_header")


def test_a_command_of_nobody_carries_no_header():
    assert checked_envelope("id", {"actor": " "}) == ("id", {})
    with pytest.raises(Malformed, match="not shown"):
        checked_envelope("id", {"actor": "\u00ad"})
