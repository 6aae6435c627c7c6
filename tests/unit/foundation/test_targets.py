"""Query parameters are those of the document, each at most once; escapes and numbers are well-formed."""

from typing import Any

import pytest

from foundation.http.problem import Problem
from foundation.http.targets import check_escapes, check_query, plain_type
from foundation.numbers import is_number

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


@pytest.mark.parametrize(
    "broken", [b"%", b"%z", b"%zz", b"%4", b"a%4z", b"%%", b"%u0041", b"%41%", b"%\xd9\xa1\xd9\xa1"]
)
@pytest.mark.parametrize("part", ["raw_path", "query_string"])
def test_a_broken_escape_is_malformed(part: str, broken: bytes):
    with pytest.raises(Problem) as refused:
        check_escapes({part: broken})
    assert (refused.value.status, refused.value.code) == (400, "malformed")


def test_escapes_of_either_case_are_accepted_and_so_is_a_scope_without_a_raw_path():
    check_escapes({"raw_path": b"/inventory/%c3%A9%25zz", "query_string": b"q=%41+%00"})
    check_escapes({"raw_path": None, "query_string": b""})


@pytest.mark.parametrize(
    ("text", "integer", "number"),
    [
        ("50", True, True),
        ("0", True, True),
        ("-1", True, True),
        ("2.5", False, True),
        ("5e-3", False, True),
        ("1E1", False, True),
        *((text, False, False) for text in (
            "", " 5", "5 ", "5\n", "+5", "05", "-05", "1_0", "0x5", ".5", "5.", "1e", "nan", "inf",
            "Infinity", "٥", "５", "5,0", "−5", "--5", "- 5", "true",
        )),
    ],
)  # fmt: skip
def test_a_number_is_written_as_in_json(text: str, integer: bool, number: bool):
    assert (is_number("integer", text), is_number("number", text)) == (integer, number)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": ["number", "null"]}, "number"),
        ({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}, "integer"),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, "number"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "boolean"),
        ({"type": "string"}, None),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, None),
        ({"enum": ["a"]}, None),
    ],
)
def test_a_schema_says_whether_its_values_are_numbers_or_booleans(schema: dict[str, Any], kind: str | None):
    assert plain_type(schema) == kind


def test_a_parameter_that_is_a_number_is_refused_in_another_spelling():
    check_query(b"limit=5&q=1_0", PARAMETERS, {"limit": "integer"})
    for text in (b"%2B5", b"+5", b"1_0", b"1e1", b"%D9%A5", b"05", b"5%0A"):
        with pytest.raises(Problem, match="limit is a whole number, as 50, not") as refused:
            check_query(b"limit=" + text, PARAMETERS, {"limit": "integer"})
        assert (refused.value.status, refused.value.code) == (400, "malformed")
