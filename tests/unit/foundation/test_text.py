"""Texts that people type."""

import pytest

from foundation.text import Malformed, line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  ann ", "ann"),
        ("\u00a0ann\u3000", "ann"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m"),
        (
            "family \U0001f468\u200d\U0001f469\u200d\U0001f467",
            "family \U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
    ],
)
def test_texts_that_look_equal_are_equal(text: str, expected: str) -> None:
    assert line("title", text, 100) == expected


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u00ad \u2060", "\u3164", "\ufeff"])
def test_a_text_that_shows_nothing_is_empty(text: str) -> None:
    with pytest.raises(Malformed, match="the title is empty"):
        line("title", text, 100)
    assert line("author", text, 100, empty=True) == text.strip()


@pytest.mark.parametrize("text", ["a\x00", "a\tb", "a\nb", "\x7f", "\ud800"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"U\+[0-9A-F]{4}, a control character"):
        line("title", f"x{text}x", 100)


@pytest.mark.parametrize(
    "text", ["ann\u200b", "\u200eann", "a\u00adnn", "ann\u202e", "a\u00a0b", "ann\u3164", "a\u2028b"]
)
def test_an_identifier_has_no_characters_that_are_not_shown(text: str) -> None:
    with pytest.raises(Malformed, match=r"the user holds U\+[0-9A-F]{4}, which is not shown"):
        line("user_id", text, 100, visible=True)
    assert line("title", text, 100)


def test_an_identifier_may_have_spaces_and_letters_of_any_script() -> None:
    for text in ("ann lee", "čtenář 7", "利用者", "карта-12"):
        assert line("user_id", text, 100, visible=True) == text
