"""How titles and authors are compared: without case and accents, in any script."""

import re
import unicodedata

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t", "æ": "ae", "œ": "oe",
     "þ": "th", "ґ": "г", "ё": "е", "ـ": None, "’": None, "'": None}
)  # fmt: skip
"""Letters that Unicode does not take apart, and signs inside words that people leave out."""

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
    parts = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in plain).split()
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
    kept = "".join(c for c in decomposed if not _is_accent(c)).translate(_LETTERS)
    return unicodedata.normalize("NFC", kept)


def _is_accent(character: str) -> bool:
    """Whether a mark can be left out: accents above and below, Hebrew and Arabic vowel points.

    Other marks (Indic vowels, Thai tones, the voicing of kana) make another letter.
    """
    kind = unicodedata.combining(character)
    return kind >= 200 or 10 <= kind <= 35
