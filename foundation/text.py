"""Texts that people type, in commands and in queries: trimmed, composed, bounded."""

import unicodedata


class Malformed(ValueError):
    """A command that is wrong whatever the state is; ``field`` names its wrong field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def line(field: str, text: str, longest: int, *, empty: bool = False, visible: bool = False) -> str:
    """``text`` trimmed and in Unicode's composed form (NFC): texts that look equal compare equal.

    Raises Malformed for a text that shows nothing (unless ``empty``), is longer than ``longest`` characters,
    or has control characters; with ``visible`` also for one with characters that are not shown, or look like
    a space.
    """
    text = text.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if len(text) > longest:
        raise Malformed(field, f"the {_name(field)} has {len(text)} characters, {longest} are allowed")
    if text.isascii() and text.isprintable():
        if not text and not empty:
            raise Malformed(field, f"the {_name(field)} is empty")
        return text
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise Malformed(field, f"the {_name(field)} holds {_code(character)}, a control character")
        if visible and character != " " and not _is_shown(character):
            raise Malformed(field, f"the {_name(field)} holds {_code(character)}, which is not shown")
    if not any(map(_is_shown, text)) and not empty:
        raise Malformed(field, f"the {_name(field)} is empty")
    return text


_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols by their category, but shown as nothing."""


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Zs", "Zl", "Zp", "Cf") and character not in _BLANK


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _name(field: str) -> str:
    return "user" if field == "user_id" else field.replace("_", " ")
