"""Headers of HTTP messages as ASGI passes them: pairs of bytes, names in lower case."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from foundation.http.problem import Problem

Headers: TypeAlias = list[tuple[bytes, bytes]]

SAFETY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
"""Sent with every response that does not set them itself."""


def header_text(value: bytes | None) -> str | None:
    """A header's value as text, byte by byte; None stays None."""
    return None if value is None else value.decode("latin-1")


def unique_headers(headers: Sequence[tuple[bytes, bytes]], unique: Collection[bytes]) -> dict[bytes, bytes]:
    """Headers by name. Raises Problem 400 where one of ``unique`` occurs more than once."""
    by_name = dict(headers)
    if len(by_name) != len(headers):
        for name in unique:
            if sum(1 for other, _ in headers if other == name) > 1:
                raise Problem(400, "repeated_header", f"the header {name.decode()} occurs more than once")
    return by_name


def require_no_encoding(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body in a Content-Encoding, or in a Transfer-Encoding besides chunks.

    Raises Problem 415, 501.
    """
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity"):
        detail = f"send the body without Content-Encoding, not as {encoding[:40].decode('latin-1')!r}"
        raise Problem(415, "unsupported_encoding", detail, headers={"Accept-Encoding": "identity"})
    transfer = headers.get(b"transfer-encoding", b"").strip().lower()
    if transfer not in (b"", b"chunked"):
        # The server has undone the chunks only (RFC 9112, 6.1)
        detail = (
            f"send the body without Transfer-Encoding, or chunked, not as {transfer[:40].decode('latin-1')!r}"
        )
        raise Problem(501, "unsupported_encoding", detail)


def with_defaults(headers: Sequence[tuple[bytes, bytes]], defaults: Headers) -> Headers:
    """``headers`` with names in lower case, and those of ``defaults`` that they lack."""
    complete = [(name.lower(), value) for name, value in headers]
    present = {name for name, _ in complete}
    return complete + [default for default in defaults if default[0] not in present]


def joined_header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str | None:
    """A list header's value: several lines are one list. None where there is none."""
    lines = [value for other, value in headers if other == name]
    return b", ".join(lines).decode("latin-1") if lines else None
