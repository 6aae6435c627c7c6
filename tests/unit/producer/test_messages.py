"""Frames of what gateways say to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.state.outcomes import Receipt
from foundation.http.responses import HttpResponse
from producer.gateway.sharing.messages import (
    Answer,
    Frames,
    FrameTooLong,
    decode_answers,
    encode_answers,
    frame,
)

RECEIPTS = [Receipt("id", "9781593275846", (), "0:1")]
ANSWERS: list[Answer] = [RECEIPTS, None, HttpResponse(409, [(b"a", b"b")], b"{}"), []]


@given(st.lists(st.lists(st.sampled_from(ANSWERS), max_size=5), max_size=5), st.data())
def test_answers_are_the_same_in_whatever_pieces_they_come(sheets: list[list[Answer]], data: st.DataObject):
    sent = b"".join(encode_answers(enumerate(answers)) for answers in sheets)
    places = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    frames = Frames(1000)
    pieces = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True)]
    found = [each for piece in pieces for body in frames.read(piece) for each in decode_answers(body)]
    assert found == [each for answers in sheets for each in enumerate(answers)]


def test_a_frame_that_is_too_long_is_refused_before_it_has_come():
    frames = Frames(4)
    assert list(frames.read(frame(b"1234") + frame(b""))) == [b"1234", b""]
    with pytest.raises(FrameTooLong):
        list(frames.read(frame(b"12345")[:4]))
