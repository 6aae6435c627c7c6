"""Compares titles and authors without case and accents, in any script."""

import re
import unicodedata
from collections.abc import Callable, Mapping

LONGEST_PREFIX = 3
"""Characters of the longest beginnings of words that the full-text index has entries for."""
_CACHED_CODES = 0x3000
"""Translations of code points below this one are cached. Above it there are too many."""


class _Table(dict[int, int | str | None]):
    """A table for ``str.translate`` that computes its entries when they are first needed."""

    def __init__(
        self, translate: Callable[[str], str | None], fixed: Mapping[int, int | str | None] | None = None
    ) -> None:
        super().__init__(fixed or {})
        self._translate = translate

    def __missing__(self, code: int) -> str | None:
        translated = self._translate(chr(code))
        if code < _CACHED_CODES:
            self[code] = translated
        return translated


def _without_accents(character: str) -> str | None:
    """None for marks that readers leave out: accents above and below, Hebrew and Arabic vowel points.

    Other marks make another letter: Indic vowels, Thai tones, the voicing of kana.
    """
    kind = unicodedata.combining(character)
    return None if kind >= 200 or 10 <= kind <= 35 else character


def _in_words(character: str) -> str:
    return character if unicodedata.category(character)[0] in "LNM" else " "


_SUBSTITUTES: dict[str, int | str | None] = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t", "æ": "ae", "œ": "oe",
    "þ": "th", "ґ": "г", "ё": "е", "ـ": None, "’": None, "'": None,
}  # fmt: skip
"""Letters that Unicode does not decompose, and signs inside words that people leave out."""
_LETTERS = _Table(_without_accents, str.maketrans(_SUBSTITUTES))
_WORDS = _Table(_in_words)
_ASCII_WORDS = re.compile("[a-z0-9]+")

_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)
"""Scripts written without spaces. Each of their characters counts as a word: a search finds any part."""


def search_key(text: str) -> str:
    """The words of ``text``, folded, as the index and the order see them: ``Čapek!`` as ``capek``."""
    return " ".join(phrases(text))


def phrases(text: str) -> list[str]:
    """The words of a text, folded. A word of an unspaced script has a space after each character."""
    plain = _plain(text)
    if plain.isascii():
        return _ASCII_WORDS.findall(plain)
    parts = plain.translate(_WORDS).split()
    return [" ".join(_UNSPACED.sub(r" \1 ", part).split()) for part in parts]


def has_words(search: str, *texts: str) -> bool:
    """Whether each word of ``search`` begins a word of ``texts``: the index's answer, for one title."""
    searched = [phrase.split() for phrase in phrases(search)]
    indexed = [[word for phrase in phrases(text) for word in phrase.split()] for text in texts]
    return bool(searched) and all(any(_occurs(phrase, text) for text in indexed) for phrase in searched)


def _occurs(phrase: list[str], text: list[str]) -> bool:
    *whole, beginning = phrase
    n = len(whole)
    return any(text[i : i + n] == whole and text[i + n].startswith(beginning) for i in range(len(text) - n))


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower().replace("'", "")
    # Twice: case folding can produce new accents (İ)
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", decomposed.translate(_LETTERS))
