import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.note import (
    BadKeyText,
    BadNote,
    BadSignature,
    Note,
    Signer,
    Unsigned,
    Verifier,
    new_key,
    open_note,
    sign,
)

# The example in the documentation of golang.org/x/mod/sumdb/note
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT
    + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)
ONE, OTHER = Signer(new_key("library.example/one")), Signer(new_key("library.example/other"))


def test_a_signature_is_the_one_that_gos_package_makes() -> None:
    assert sign(GO_TEXT, [Signer(GO_SIGNER)]) == GO_NOTE
    assert Signer(GO_SIGNER).verifier.text == GO_VERIFIER
    assert open_note(GO_NOTE, [Verifier(GO_VERIFIER)]) == Note(GO_TEXT, [GO_VERIFIER])


def test_a_note_with_two_signatures_opens_with_either_key() -> None:
    note = sign("text\n", [ONE, OTHER])
    for key in (ONE.verifier, OTHER.verifier):
        assert open_note(note, [key]) == Note("text\n", [key.text])
    both = [ONE.verifier.text, OTHER.verifier.text]
    assert open_note(note, [OTHER.verifier, ONE.verifier]).signed_by == both


def test_a_note_of_another_key_of_the_same_name_is_unsigned() -> None:
    note = sign("text\n", [Signer(new_key(ONE.name))])
    with pytest.raises(Unsigned, match="none of the keys"):
        open_note(note, [ONE.verifier])


@given(st.integers(0, len("library 8\nroot\n") - 1), st.characters(min_codepoint=32, codec="ascii"))
def test_a_changed_text_has_a_bad_signature(index: int, character: str) -> None:
    text = "library 8\nroot\n"
    changed = text[:index] + character + text[index + 1 :]
    note = changed + sign(text, [ONE]).removeprefix(text)
    if changed == text:
        assert open_note(note, [ONE.verifier]).text == text
    else:
        with pytest.raises(BadNote):
            open_note(note, [ONE.verifier])


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    mixed = sign("text\n", [ONE]) + OTHER.line("other text\n")
    assert open_note(mixed, [ONE.verifier]).signed_by == [ONE.verifier.text]
    with pytest.raises(BadSignature, match=OTHER.name):
        open_note(mixed, [ONE.verifier, OTHER.verifier])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "\n\n\u2014 name c2lnbmF0dXJl\n",
        "text\n\n\u2014 name c2lnbmF0dXJl",
        "text\n\n- name c2lnbmF0dXJl\n",
        "text\n\n\u2014 na me c2lnbmF0dXJl\n",
        "text\n\n\u2014 name sh\u00f6rt\n",
        "text\n\n\u2014 name c2ln\n",
        "te\rxt\n\n\u2014 name c2lnbmF0dXJl\n",
        "text\n\n" + "\u2014 name c2lnbmF0dXJl\n" * 101,
        "text" * 300_000 + "\n\n\u2014 name c2lnbmF0dXJl\n",
    ],
)
def test_other_texts_are_no_notes(note: str) -> None:
    with pytest.raises(BadNote) as raised:
        open_note(note, [ONE.verifier])
    assert type(raised.value) is BadNote


@pytest.mark.parametrize("text", ["", "no line end", "bell\a\n"])
def test_texts_that_a_note_can_not_have_are_not_signed(text: str) -> None:
    with pytest.raises(BadNote):
        sign(text, [ONE])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+c74f20a3+",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc",
        "PeterNeumann+c74f20a3+AR\u00f6",
        GO_SIGNER,
    ],
)
def test_other_texts_are_no_keys(text: str) -> None:
    with pytest.raises(BadKeyText):
        Verifier(text)
    with pytest.raises(BadKeyText):
        Signer(f"PRIVATE+KEY+{text}")
    with pytest.raises(BadKeyText):
        Signer(text if text != GO_SIGNER else GO_VERIFIER)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_key_has_a_name_that_a_note_can_have(name: str) -> None:
    with pytest.raises(BadKeyText, match="name"):
        new_key(name)


def test_the_error_of_a_bad_private_key_does_not_show_it() -> None:
    with pytest.raises(BadKeyText) as raised:
        Signer(GO_SIGNER.replace("c74f20a3", "c74f20a4"))
    assert "AYEK" not in str(raised.value)
