"""Events and rows as they are encoded, sound and damaged, for tests of the fold."""

from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.codec import encode
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    LoanRenewed,
)
from schemas.row import InventoryRow, Loan

ISBN = "9780000000002"
OTHER = "9780000000019"
NOW = 1_763_900_000_000

times = st.one_of(
    *[st.integers(NOW, NOW + 10**9)] * 4,
    st.sampled_from([0, -1, 63, 2**34 - 1, 2**34, 2**41 - 1, 2**41, 2**62, -(2**40)]),
)
users = st.sampled_from(
    ["ann", "bob"] * 6 + ["b", "a\x02b", "", "Žofie", "x" * 63, "x" * 64, "日" * 21, "\x7f"]
)
texts = st.sampled_from(["", "Elixir", "日本", "t" * 63, "t" * 64, "t" * 4095, "t" * 4096])
copies = st.sampled_from([1, 2, 3, 63, 64, 4095, 4096, 10**6, -1, 0])
isbns = st.sampled_from([ISBN] * 15 + [OTHER])
events = st.one_of(
    *[st.builds(BookBorrowed, isbns, users, times, times)] * 3,
    *[st.builds(BookReturned, isbns, users, times)] * 3,
    *[st.builds(LoanRenewed, isbns, users, times, times)] * 2,
    st.builds(BookAdded, isbns, texts, texts, copies, times),
    st.builds(CopiesAdded, isbns, copies, times),
    st.builds(CopiesWithdrawn, isbns, copies, st.just("lost"), times, st.none() | users),
    st.builds(DetailsCorrected, isbns, texts, texts, times),
    st.builds(BookRemoved, isbns, times),
)
rows = st.builds(
    InventoryRow,
    st.just(ISBN), texts, texts, st.integers(0, 3), st.integers(0, 2),
    st.lists(st.builds(Loan, users, times, times), max_size=3).map(tuple),
    st.just(False), st.sampled_from([1, 62, 63, 64, 8191]), times,
)  # fmt: skip


@st.composite
def values(draw) -> bytes:
    """Events as encoded, about half of them damaged a little."""
    value = bytearray(encode(draw(events)))
    match draw(st.integers(0, 13)):
        case 0:
            del value[draw(st.integers(0, len(value))) :]
        case 1:
            value += b"\x00"
        case 2:
            # Numbers in more bytes than needed say the same, but are not how a row is written
            place = draw(st.integers(19, max(19, len(value) - 1)))
            value[place : place + 1] = [value[place] | 0x80, 0]
        case 3:
            place = -draw(st.integers(1, 13))
            value[place] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        case 4:
            value[draw(st.integers(0, len(value) - 1))] = draw(st.integers(0, 255))
        case 5:
            del value[19:20]
        case 6:
            value[19:20] = bytes([value[19] ^ 1]) if len(value) > 19 else b""
        case 7:
            value[20:21] = b"\xff"
    return bytes(value)


LENT = InventoryRow(ISBN, "t", "a", 2, 1, (Loan("ann", NOW, NOW + 5),), False, 2, NOW)
ALL_LENT = replace(LENT, quantity=1, available=0)
BY_ANN, BY_BOB = encode(BookBorrowed(ISBN, "ann", NOW, NOW)), encode(BookBorrowed(ISBN, "bob", NOW, NOW))
RETURNED, RENEWED = encode(BookReturned(ISBN, "ann", NOW)), encode(LoanRenewed(ISBN, "ann", NOW, NOW))
MORE = encode(CopiesAdded(ISBN, 1, NOW))
DAMAGED = encode(CopiesWithdrawn(ISBN, 1, "damaged", NOW))
LOST = encode(CopiesWithdrawn(ISBN, 1, "lost", NOW, "ann"))
CORRECTED = encode(DetailsCorrected(ISBN, "t", "a", NOW))
LONG_TIME = encode(BookReturned(ISBN, "ann", 0))[:-1] + b"\x80\x80\x80\x80\x80\x00"
