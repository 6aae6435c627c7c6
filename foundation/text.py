"""What people may type into a command: trimmed, composed, bounded."""

import unicodedata


class Malformed(ValueError):
    """A command that is wrong whatever the inventory holds; ``field`` names where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def line(field: str, text: str, longest: int, *, empty: bool = False) -> str:
    """``text`` trimmed and in Unicode's composed form (NFC), so that equal titles compare equal.

    Raises Malformed for one that is empty (unless ``empty``), too long, or holds what is no text.
    """
    text = text.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text and not empty:
        raise Malformed(field, f"the {_name(field)} is empty")
    if len(text) > longest:
        raise Malformed(field, f"the {_name(field)} has {len(text)} characters, {longest} are allowed")
    if text.isprintable():
        return text
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            code = f"U+{ord(character):04X}"
            raise Malformed(field, f"the {_name(field)} holds {code}, which is no printable character")
    return text


def _name(field: str) -> str:
    return "user" if field == "user_id" else field.replace("_", " ")
