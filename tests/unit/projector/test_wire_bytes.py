"""Places in Avro values, found without decoding."""

from hypothesis import example, given
from hypothesis import strategies as st

from projector.fold.wire_bytes import after_text, after_two_texts, text

_TEXTS = st.text(max_size=70)


@given(_TEXTS, _TEXTS, st.binary(max_size=8))
@example("", "", b"")
@example("a" * 63, "ä" * 31, b"\x80")
@example("a" * 64, "b", b"\0")
def test_two_texts_end_where_the_second_of_them_ends(first: str, second: str, rest: bytes):
    both = text(first) + text(second)
    assert after_two_texts(b"." + both + rest, 1) == 1 + len(both)


@given(
    st.lists(
        st.sampled_from([b"\0", b"\x02", b"\x04", b"\x7e", b"\x80", b"\x81", b"a", b"\xc3", b"\xa4"]),
        max_size=40,
    ).map(b"".join),
    st.integers(1, 5),
)
@example(b"", 1)
@example(b"\0\x02a\x04\xc3\x28", 1)
@example(b"\0\x04a\xc3\x02b", 1)
@example(b"\0\x03aa\x02b", 1)
@example(b"\0\x02a\x80\x01" + b"b" * 64, 1)
@example(b"\0\x02a\x7e", 1)
def test_damaged_texts_end_nowhere_together_as_one_after_the_other(value: bytes, at: int):
    assert after_two_texts(value, at) == after_text(value, after_text(value, at))
