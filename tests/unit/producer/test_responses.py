"""Outcomes over HTTP, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.state.outcomes import (
    Accepted,
    Appended,
    Outcome,
    OutcomeUnknown,
    Receipt,
    Refused,
    Reused,
    Unwritable,
)
from foundation.http.problem import Problem
from foundation.http.responses import render_problem
from inventory.rules import Rejection
from producer.gateway.responses import FULL, RETRY_LATER, STOPPING, location, parse_response, render_response

ISBN = "9781593275846"
IDS = st.text(min_size=1).filter(str.isprintable)
TEXTS = st.text()
EVENTS = st.lists(st.builds(Appended, TEXTS, st.integers(1, 1000))).map(tuple)
RECEIPTS = st.builds(Receipt, IDS, st.just(ISBN), EVENTS, st.just("3:17"), TEXTS, TEXTS)
OUTCOMES = st.one_of(
    st.builds(Accepted, RECEIPTS, st.booleans()),
    st.builds(Refused, st.builds(Rejection, TEXTS, TEXTS, st.lists(TEXTS).map(tuple))),
    st.builds(Reused, st.just("an id")),
    st.builds(Unwritable, TEXTS),
    st.builds(OutcomeUnknown, TEXTS, st.booleans()),
)


@given(OUTCOMES)
def test_a_rendered_outcome_is_parsed_as_the_same_outcome(first: Outcome):
    response = render_response(first, "an id", ISBN)
    headers = {name.decode().title(): value.decode("latin-1") for name, value in response.headers}
    assert parse_response(response.status, headers, response.body, "an id") == first


@pytest.mark.parametrize("code", [FULL, STOPPING])
def test_a_gateway_that_accepts_nothing_has_done_nothing(code: str):
    response = render_problem(Problem(503, code, "later", headers=RETRY_LATER))
    assert parse_response(response.status, {}, response.body, "an id") == OutcomeUnknown("later", sent=False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>hello</html>"),
        (201, b"{}"),
        (404, b'{"detail": "there is no such route", "code": "no_such_route"}'),
        (500, b'{"detail": "something went wrong", "code": "internal"}'),
        (503, b"busy"),
        (409, b"[]"),
        (302, b""),
    ],
)
def test_a_response_without_an_outcome_is_not_taken_for_one(status: int, body: bytes):
    assert parse_response(status, {}, body, "an id") is None


@given(IDS)
def test_a_location_is_a_path_that_is_safe_to_send(command_id: str):
    path = location(command_id, ISBN)
    assert path.isascii()
    assert path.count("/") == 2
