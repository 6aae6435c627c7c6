import pytest

from foundation.settings import Settings
from foundation.tokens import Token, parse_tokens, token_of


@pytest.mark.parametrize(
    ("setting", "tokens"),
    [
        ("", ()),
        ("sesame", (Token("", "sesame"),)),
        ("c2VzYW1l==", (Token("", "c2VzYW1l=="),)),
        ("desk=sesame", (Token("desk", "sesame"),)),
        ("desk=c2VzYW1l=", (Token("desk", "c2VzYW1l="),)),
        ("desk=a, Přepážka 2 = b ,c", (Token("desk", "a"), Token("Přepážka 2", "b"), Token("", "c"))),
        ("desk=new,desk=old", (Token("desk", "new"), Token("desk", "old"))),
    ],
)
def test_a_setting_holds_one_token_or_several_with_names(setting: str, tokens: tuple[Token, ...]):
    assert parse_tokens(setting) == tokens
    Settings(token=setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("swordfish,", "empty part"),
        (",swordfish", "empty part"),
        ("=swordfish", "name is empty"),
        ("a\x07b=swordfish", "control character"),
        ("a\u200bb=swordfish", "not shown"),
        ("n" * 201 + "=swordfish", "201 characters"),
        ("desk=swordfish,alice=swordfish", "one secret for two names"),
        ("swordfish,alice=swordfish", "one secret for two names"),
    ],
)
def test_a_bad_setting_is_refused_without_its_secrets(setting: str, message: str):
    with pytest.raises(ValueError, match=message) as refused:
        Settings(token=setting)
    assert "swordfish" not in str(refused.value)


def test_a_command_sends_the_token_of_its_actor_else_one_without_a_name_else_the_first():
    tokens = parse_tokens("desk=a,alice=b,c")
    assert [token_of(tokens, actor) for actor in ("alice", "bob", "")] == [tokens[1], tokens[2], tokens[2]]
    assert token_of(tokens[:2], "bob") == tokens[0]
    assert token_of((), "bob") is None
