"""Cursors of pages: the last item's sort key, bound to the parameters of the request."""

import base64
import binascii
import hashlib
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

Number = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer in SQLite's range: anybody may send a cursor."""

T = TypeVar("T")


class BadCursor(ValueError):
    """The cursor was not made here, or for other parameters."""


def make_cursor(parameters: object, key: object) -> str:
    """The cursor after the item with ``key``, for the same ``parameters`` only. Both are JSON values."""
    packed = msgspec.json.encode([_digest(parameters), key])
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def parse_cursor(cursor: str, parameters: object, kind: type[T]) -> T:
    """The key in ``cursor``. Raises BadCursor."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, key = msgspec.json.decode(packed, type=tuple[str, kind])  # type: ignore[valid-type]
    except (binascii.Error, msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise BadCursor("the cursor was not made here: start without one") from error
    if digest != _digest(parameters):
        raise BadCursor(
            "the cursor belongs to other parameters: repeat the parameters of the request that returned it"
        )
    parsed: T = key
    return parsed


def _digest(parameters: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(parameters), digest_size=6).hexdigest()
