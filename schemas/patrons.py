"""Tokens of borrowers, and the records of ``library.names`` that say whom they mean.

Events, rows and backups hold the token alone. The topic has one partition and is compacted:

- key: the token, value: PatronName. Without a value (a tombstone) the borrower is forgotten.
- key: ``<token>!forgotten``, value: PatronForgotten.
- key: ROLL_KEY: a record that only lets Kafka compact the ones before it.
"""

import re
import secrets

from msgspec import Struct

TOKEN_MARK = "p~"  # no secret
"""Tokens begin with it. No user id may."""
_TOKEN = re.compile(re.escape(TOKEN_MARK) + r"[A-Za-z0-9_-]{16}", re.ASCII)
_RANDOM_BYTES = 12
_FORGOTTEN = "!forgotten"
ROLL_KEY = b"!roll"
ABANDONED_AFTER_S = 60.0
"""A command that forgets a borrower has ended by then: one who is closing for longer has lost it."""


class PatronName(Struct, frozen=True):
    """The borrower whom a token means. Times are milliseconds since 1970, UTC."""

    user_id: str
    registered_at: int
    closing: bool = False
    """The borrower is being forgotten: nothing more is lent to the token."""
    when_returned: bool = False
    """Of a closing one: the last return ends it. Otherwise the command that began it does."""


class PatronForgotten(Struct, frozen=True):
    """When a borrower was forgotten, in ms since 1970, UTC."""

    forgotten_at: int


def new_token() -> str:
    """A token that nothing is known of: random, never derived from a user id."""
    return TOKEN_MARK + secrets.token_urlsafe(_RANDOM_BYTES)


def is_token(text: str) -> bool:
    """Whether the text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def name_key(token: str) -> bytes:
    """The key of the token's name, and of its tombstone."""
    return token.encode()


def forgotten_key(token: str) -> bytes:
    """The key of the record that says when the borrower was forgotten."""
    return (token + _FORGOTTEN).encode()


def token_of_key(key: bytes) -> tuple[str, bool]:
    """The token that a key names, and whether it is that of a ``forgotten_key``.

    Raises ValueError for a key that names none.
    """
    text = key.decode()
    token = text.removesuffix(_FORGOTTEN)
    if not is_token(token):
        raise ValueError(f"the key {text[:60]!r} names no token")
    return token, token != text
