"""Searching and sorting without case and accents, in any script."""

import pytest

from query_api.replica.search_text import has_words, phrases, search_key


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Čapek", "capek"),
        ("JURIĆ", "juric"),
        ("Straße", "STRASSE"),
        ("Øystein Ærø", "oystein aero"),
        ("Łódź", "lodz"),
        ("İstanbul ışık", "istanbul isik"),
        ("Ёлка й", "елка и"),
        ("Άνθρωπος", "ανθρωποσ"),
        ("naïve", "naïve"),
        ("Don't", "dont"),
        ("ｆｕｌｌ", "full"),
        ("مُحَمَّد", "محمد"),
    ],
)
def test_search_ignores_case_and_accents(text: str, same: str):
    assert search_key(text) == search_key(same)


@pytest.mark.parametrize(("text", "other"), [("が", "か"), ("कि", "क"), ("bat", "bad")])
def test_search_respects_marks_that_make_another_letter(text: str, other: str):
    assert search_key(text) != search_key(other)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("elixir", True),
        ("eli act", True),
        ("ACTION", True),
        ("juric sasa", True),
        ("lixir", False),
        ("elixir erlang", False),
        ("---", False),
        ("", False),
    ],
)
def test_each_search_word_matches_the_start_of_a_word(search: str, found: bool):
    assert has_words(search, "Elixir in Action", "Saša Jurić") is found


@pytest.mark.parametrize(
    ("search", "text"),
    [
        ("日本", "大日本帝国"),
        ("นิยาย", "รวมนิยายไทย"),
        ("война", "Война и мир"),
        ("हिन्द", "हिन्दी व्याकरण"),
        ("한국", "한국어 문법"),
    ],
)
def test_search_finds_words_in_every_script(search: str, text: str):
    assert has_words(search, text)


def test_search_finds_unspaced_characters_in_order_only():
    assert not has_words("本日", "日本")
    assert phrases("日本") == ["日 本"]
