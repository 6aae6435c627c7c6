"""Cursors of pages: the last item's sort key, bound to what was asked for."""

import base64
import binascii
import hashlib
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

Number = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""What can be asked of SQLite; a cursor may come from anybody."""

T = TypeVar("T")


class BadCursor(ValueError):
    """A cursor that is none of ours, or of another question."""


def make_cursor(question: object, key: object) -> str:
    """The cursor after the item with ``key``, for the same ``question`` only (both JSON values)."""
    packed = msgspec.json.encode([_digest(question), key])
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(cursor: str, question: object, kind: type[T]) -> T:
    """The key in ``cursor``. Raises BadCursor."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, key = msgspec.json.decode(packed, type=tuple[str, kind])  # type: ignore[valid-type]
    except (binascii.Error, msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise BadCursor("the cursor is none that was given out here: begin without one") from error
    if digest != _digest(question):
        raise BadCursor("the cursor belongs to other parameters: repeat those it was given out for")
    found: T = key
    return found


def _digest(question: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(question), digest_size=6).hexdigest()
