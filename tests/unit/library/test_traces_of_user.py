"""A user id is found in every form in which programs write it."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.store import traces_of_user
from library.store.traces_of_user import form_in, forms, traces_in_files

USER = "card-0048213"


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_a_user_id_is_found_wherever_it_begins(before: bytes, after: bytes):
    wanted, whole = forms(USER), before + USER.encode() + after
    assert form_in(whole, wanted) == "as it is"
    for encoded in (base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
        assert form_in(encoded, wanted) == "base64"
    assert form_in(whole.hex().encode(), wanted) == "hexadecimal"
    assert form_in(whole.hex().upper().encode(), wanted) == "hexadecimal"


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be", "utf-16"])
def test_wide_characters_are_found(code: str):
    wanted = forms("čtenář-17")
    assert form_in(b"\0" + "x čtenář-17 y".encode(code), wanted) == "UTF-16"
    assert form_in("čtenář-18".encode(code), wanted) is None


def test_another_user_id_is_not_found():
    other = b"card-0048214"
    for content in (other, base64.b64encode(b"x" + other), other.hex().encode()):
        assert form_in(content, forms(USER)) is None


def test_a_text_between_two_chunks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traces_of_user, "CHUNK_BYTES", 50)
    (tmp_path / "00.log.deleted").write_bytes(b"x" * 44 + USER.encode() + b"y" * 99)
    (tmp_path / "other").write_bytes(b"x" * 999)
    unreadable: list[str] = []
    (found,) = traces_in_files(tmp_path, USER, unreadable)
    assert (found.place, found.form) == (str(tmp_path / "00.log.deleted"), "as it is")
    assert unreadable == []
