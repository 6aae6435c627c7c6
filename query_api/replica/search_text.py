"""How titles and authors are compared: without case and accents, in any script."""

import re
import unicodedata
from collections.abc import Callable, Mapping

_COMMON = 0x3000
"""What is done with characters before this one is remembered; after it there are too many."""


class _Table(dict[int, int | str | None]):
    """For ``str.translate``: what becomes of a character, asked once for the common ones."""

    def __init__(
        self, becomes: Callable[[str], str | None], known: Mapping[int, int | str | None] | None = None
    ) -> None:
        super().__init__(known or {})
        self._becomes = becomes

    def __missing__(self, code: int) -> str | None:
        found = self._becomes(chr(code))
        if code < _COMMON:
            self[code] = found
        return found


def _without_accents(character: str) -> str | None:
    """Nothing of marks that can be left out: accents above and below, Hebrew and Arabic vowel points.

    Other marks (Indic vowels, Thai tones, the voicing of kana) make another letter.
    """
    kind = unicodedata.combining(character)
    return None if kind >= 200 or 10 <= kind <= 35 else character


def _in_words(character: str) -> str:
    return character if unicodedata.category(character)[0] in "LNM" else " "


_OTHERS: dict[str, int | str | None] = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t", "æ": "ae", "œ": "oe",
    "þ": "th", "ґ": "г", "ё": "е", "ـ": None, "’": None, "'": None,
}  # fmt: skip
"""Letters that Unicode does not take apart, and signs inside words that people leave out."""
_LETTERS = _Table(_without_accents, str.maketrans(_OTHERS))
_WORDS = _Table(_in_words)
_ASCII_WORDS = re.compile("[a-z0-9]+")

_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)
"""Scripts written without spaces: each of their characters counts as a word, so that any part is found."""


def folded(text: str) -> str:
    """``text`` as it is indexed and sorted: its words. ``Čapek!`` and ``capek`` are the same."""
    return " ".join(phrases(text))


def phrases(text: str) -> list[str]:
    """The words of a text, folded; what looks like one in an unspaced script is several, with spaces."""
    plain = _plain(text)
    if plain.isascii():
        return _ASCII_WORDS.findall(plain)
    parts = plain.translate(_WORDS).split()
    return [" ".join(_UNSPACED.sub(r" \1 ", part).split()) for part in parts]


def has_words(search: str, *texts: str) -> bool:
    """Whether every word of ``search`` begins a word of ``texts``: what the index answers, for one title."""
    wanted = [phrase.split() for phrase in phrases(search)]
    there = [[word for phrase in phrases(text) for word in phrase.split()] for text in texts]
    return bool(wanted) and all(any(_stands_in(phrase, text) for text in there) for phrase in wanted)


def _stands_in(phrase: list[str], text: list[str]) -> bool:
    *whole, beginning = phrase
    n = len(whole)
    return any(text[i : i + n] == whole and text[i + n].startswith(beginning) for i in range(len(text) - n))


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower().replace("'", "")
    # Twice, since folding the case can bring out new accents (İ)
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", decomposed.translate(_LETTERS))
