"""The setting ``token``: one secret, or several with the names of those who use them."""

from typing import NamedTuple

from foundation.text import line

NAME_MAX_CHARS = 200


class Token(NamedTuple):
    """A bearer token. ``name`` is that of its user; empty: it says nothing about its user."""

    name: str
    secret: str


def parse_tokens(setting: str) -> tuple[Token, ...]:
    """The tokens in ``SECRET``, or in ``desk=SECRET,alice=SECRET2``; none in an empty text.

    Signs of equality at the end belong to the secret, as in Base64. A name may have several tokens. Raises
    ValueError, whose message has no secret.
    """
    if not setting.strip():
        return ()
    tokens = tuple(_token(part) for part in setting.split(","))
    if any(not token.secret for token in tokens):
        raise ValueError("token has an empty part: write SECRET, or NAME=SECRET,NAME=SECRET")
    names: dict[str, str] = {}
    for name, secret in tokens:
        if (other := names.setdefault(secret, name)) != name:
            raise ValueError(f"token has one secret for two names, {other!r} and {name!r}")
    return tokens


def token_of(tokens: tuple[Token, ...], actor: str) -> Token | None:
    """The token to send for ``actor``: the one of that name, else one without a name, else the first."""
    for name in (actor, ""):
        for token in tokens:
            if token.name == name:
                return token
    return tokens[0] if tokens else None


def _token(part: str) -> Token:
    name, equals, secret = part.strip().partition("=")
    if not equals or not secret.strip("="):
        return Token("", part.strip())
    return Token(line("token's name", name, NAME_MAX_CHARS, visible=True), secret.strip())
