"""Query parameters are those that the document has, each at most once."""

import pytest

from foundation.http.openapi import check_query
from foundation.http.problem import Problem

PARAMETERS = frozenset({"q", "limit"})


@pytest.mark.parametrize(
    "query", [b"", b"q=a", b"limit=1&q=b", b"q=", b"q", b"%71=a", b"&", b"q=a%26limit=1"]
)
def test_documented_parameters_are_accepted(query: bytes):
    check_query(query, PARAMETERS)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"colour=red", "unknown_parameter"),
        (b"colour", "unknown_parameter"),
        (b"Q=a", "unknown_parameter"),
        (b"=a", "unknown_parameter"),
        (b"\xff=a", "unknown_parameter"),
        (b"q=a&colour=", "unknown_parameter"),
        (b"q=a&q=a", "repeated_parameter"),
        (b"q=a&%71=b", "repeated_parameter"),
        (b"q&q", "repeated_parameter"),
        (b"q=%ff", "malformed"),
        (b"q=a%C3", "malformed"),
        (b"q=%ED%A0%80", "malformed"),
        (b"%ff=a", "malformed"),
    ],
)
def test_other_and_repeated_parameters_are_refused(query: bytes, code: str):
    with pytest.raises(Problem) as refused:
        check_query(query, PARAMETERS)
    assert (refused.value.status, refused.value.code) == (400, code)


def test_a_refusal_names_the_parameters_that_there_are():
    with pytest.raises(Problem, match="it has limit, q"):
        check_query(b"x=1", PARAMETERS)
    with pytest.raises(Problem, match="it has none"):
        check_query(b"x=1", ())
