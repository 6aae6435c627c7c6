"""Parts of Avro values as bytes: numbers, texts and times, found and written without decoding."""

import re

BODY = 5
"""Where the Avro body starts, after the frame with the schema id."""
AFTER_ISBN = BODY + 1 + 13
_TIME = rb"[\x80-\xff]{5}[\x01-\x7f]"
"""A time in ms as a zigzag varint of 6 bytes: mid 1970 to autumn 2039."""
one_time = re.compile(_TIME).fullmatch
two_times = re.compile(_TIME + _TIME).fullmatch
_USER = rb"([\0-\x7f]+)"
"""A borrower in ASCII, with a length of one byte in front that is still to be checked."""
loan_at = re.compile(_USER + _TIME + _TIME).match
one_loan = re.compile(_USER + _TIME + _TIME).fullmatch
user_and_time = re.compile(_USER + _TIME).fullmatch
time_at = re.compile(_TIME).match
TIME_BYTES = 6
TIMES_BYTES = 2 * TIME_BYTES
"""Of the two times of a loan."""
MAX_USER_BYTES = 63
"""The length of a longer text takes more than one byte."""
MAX_NUMBER = 8_191
"""A larger number takes more than two bytes."""


def has_its_length(user: bytes) -> bool:
    """Whether the byte in front of a borrower says how long the text is."""
    return user[0] == 2 * (len(user) - 1)


def after_text(value: bytes, at: int) -> int:
    """The end of the text at ``at``; 0 if it is damaged, or if ``at`` is 0."""
    length, start = number(value, at)
    end = start + length
    if not at or length < 0:
        return 0
    try:
        value[start:end].decode()
    except UnicodeDecodeError:
        return 0
    return end


def after_two_texts(value: bytes, at: int) -> int:
    """The end of two texts, the first of them at ``at``, which is not 0; 0 if one is damaged."""
    size = len(value)
    middle = at + 1 + (value[at] >> 1) if at < size else size
    # Lengths of one byte, too, are ASCII: that takes a third of the time
    if middle < size and not (value[at] | value[middle]) & 1:
        end = middle + 1 + (value[middle] >> 1)
        if value[at:end].isascii():
            return end
    return after_text(value, after_text(value, at))


def number(value: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and its end. -1 unless it is 0 to MAX_NUMBER in the fewest bytes."""
    here = value[at : at + 2]
    if here and here[0] < 0x80:
        return (-1, at) if here[0] & 1 else (here[0] >> 1, at + 1)
    if len(here) < 2 or here[0] & 1 or not 0 < here[1] < 0x80:
        return -1, at
    return (here[0] & 0x7F | here[1] << 7) >> 1, at + 2


def text(value: str) -> bytes:
    """The text with its length in front."""
    data = value.encode()
    return varint(len(data)) + data


def varint(value: int) -> bytes:
    """The number in zigzag coding, in the fewest bytes."""
    zigzag = value << 1 if value >= 0 else (-value << 1) - 1
    if zigzag < 0x80:
        return _SMALL[zigzag]
    out = bytearray()
    while zigzag >= 0x80:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


_SMALL = [bytes([byte]) for byte in range(0x80)]
