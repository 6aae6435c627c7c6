"""Errors over HTTP: problem documents of RFC 9457, with a ``code`` that programs may rely on."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

PROBLEM_JSON = "application/problem+json"


class ProblemDocument(Struct, frozen=True, kw_only=True):
    """The members that every problem document has; some problems have more."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """For people: the fault of this request, and the next step."""
    code: str
    """For programs: the kind of fault. Never changes, unlike ``detail``."""


class Problem(Exception):
    """An error response; any function below a route may raise it.

    ``more`` are further members of the document: values that JSON can represent.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> bytes:
        """The problem document as JSON."""
        document = ProblemDocument(
            title=HTTPStatus(self.status).phrase, status=self.status, detail=self.detail, code=self.code
        )
        return msgspec.json.encode({**msgspec.structs.asdict(document), **self.more})
