"""Decodes records of texts, whole numbers and truth values, which most are, in a fraction of fastavro's time.

What is not exactly of the expected form is left to fastavro: this decodes a part of what it decodes, to the
same values. ``tests/unit/eventstore/test_flat_record.py`` compares them.
"""

import struct
from collections.abc import Callable
from functools import cache, partial
from inspect import Parameter, signature
from itertools import groupby
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import fields

FlatDecoder: TypeAlias = Callable[[bytes], Struct | None]
"""Decodes a framed value; None: let fastavro decode it."""

BODY = 5
"""Where the Avro body starts, after the frame with the schema id."""
_MORE = 0x80
"""Set in each byte of a number but its last."""
LARGEST_BITS = 63
_TEXT, _NUMBER, _TIME, _OPTIONAL_TEXT, _FLAG = range(5)
_STEPS: dict[str, tuple[int, Any]] = {
    "string": (_TEXT, str),
    "int": (_NUMBER, int),
    "long": (_TIME, int),
    "null,string": (_OPTIONAL_TEXT, str | None),
    "boolean": (_FLAG, bool),
}
"""How a field of an Avro type is decoded, and the type that it has in the struct."""
_IN_BLOCKS = {_NUMBER: ("B", "v{0}"), _TIME: ("3H", "v{0}, middle{0}, high{0}")}
"""Neighbours of these types are unpacked together, with the usual number of bytes: a number below 64 has one,
a time in ms from mid 1970 to autumn 2039 has six."""
_ANY = "v{0}, at = any_at({1}, data, at)"
_LINES = {
    # Fewer than 64 bytes
    _TEXT: (
        "twice = data[at]",
        "if twice & 0x81:",
        f"    {_ANY}",
        "else:",
        "    end = at + 1 + (twice >> 1)",
        "    v{0} = data[at + 1 : end].decode()",
        "    at = end",
    ),
    _OPTIONAL_TEXT: (_ANY,),
    _FLAG: (_ANY,),
    _NUMBER: (
        "if v{0} & 0x80:",
        "    return in_steps(data)",
        "v{0} = (v{0} >> 1) ^ -(v{0} & 1)",
    ),
    _TIME: (
        "v{0} = lows[v{0}] + middles[middle{0}] + highs[high{0}]",
        "if v{0} < 0:",
        "    return in_steps(data)",
    ),
}
"""The code of each field, given its number and its step: the frequent case in place, others by a call."""
_NO_SHARE = -(1 << 62)
"""The share of two bytes that are in no such time: the sum of three is negative then."""


@cache
def _shares() -> tuple[list[int], list[int], list[int]]:
    """What the first, second and third two bytes of a time add to it, by these bytes as an unsigned number.

    Lists, because in dicts each of them is at four places in memory, which are half of the time of decoding.
    """
    lows, middles, highs = ([_NO_SHARE] * (1 << 16) for _ in range(3))
    for upper in range(1 << 7):
        # All bytes but a number's last have this bit
        last, share = upper << 8 | _MORE, upper << 7
        first = last | _MORE << 8
        # Zigzag: an odd number is negative
        lows[first : first + 128 : 2] = range(share >> 1, share + 128 >> 1)
        middles[first : first + 128] = range(share << 13, share + 128 << 13, 1 << 13)
        highs[last : last + 128] = range(share << 27, share + 128 << 27, 1 << 27)
    return lows, middles, highs


def flat_decoder(schema: dict[str, Any], kind: type[Struct]) -> FlatDecoder | None:
    """A decoder of ``kind``; None if a field has another type, or is keyword-only."""
    names: list[str] = []
    steps: list[int] = []
    types = {field.encode_name: field.type for field in fields(kind)}
    for field in schema["fields"]:
        step, expected = _STEPS.get(_type_name(field["type"]), (None, None))
        if step is None or types.get(field["name"]) != expected:
            return None
        names.append(field["name"])
        steps.append(step)
    if not names or set(names) != set(kind.__struct_fields__) or not _is_positional(kind):
        return None
    return _decoder(kind, tuple(steps), [names.index(name) for name in kind.__struct_fields__])


def _is_positional(kind: type[Struct]) -> bool:
    parameters = signature(kind).parameters.values()
    return all(parameter.kind is Parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)


def _type_name(declared: Any) -> str:
    if isinstance(declared, dict):
        declared = declared["type"] if declared.keys() == {"type"} else ""
    return ",".join(map(str, declared)) if isinstance(declared, list) else str(declared)


def _decoder(kind: type[Struct], steps: tuple[int, ...], order: list[int]) -> FlatDecoder:
    """A decoder of fields in the order of ``steps``, which ``kind`` takes in ``order``.

    It is compiled, because a loop over the fields takes three times as long. Only numbers become part of the
    code.
    """
    lows, middles, highs = _shares()
    scope: dict[str, Any] = {"kind": kind, "any_at": _any, "in_steps": partial(_in_steps, kind, steps, order)}
    scope |= {"lows": lows, "middles": middles, "highs": highs}
    # Bytes are missing, or of another form
    scope["unusual"] = (IndexError, ValueError, struct.error)
    lines = list[str]()
    for in_block, group in groupby(enumerate(steps), lambda field: field[1] in _IN_BLOCKS):
        members = list(group)
        if in_block:
            block = struct.Struct("<" + "".join(_IN_BLOCKS[step][0] for _, step in members))
            unpack = f"unpack{members[0][0]}"
            scope[unpack] = block.unpack_from
            names = ", ".join(_IN_BLOCKS[step][1].format(number) for number, step in members)
            lines += [f"{names}, = {unpack}(data, at)", f"at += {block.size}"]
        for number, step in members:
            lines += [line.format(number, step) for line in _LINES[step]]
    values = ", ".join(f"v{number}" for number in order)
    lines = [f"at = {BODY}", *lines, f"return kind({values}) if at == len(data) else None"]
    code = ["def decode(data):", "    try:", *(f"        {line}" for line in lines)]
    exec("\n".join([*code, "    except unusual:", "        return in_steps(data)"]), scope)
    decode: FlatDecoder = scope["decode"]
    return decode


def _in_steps(kind: type[Struct], steps: tuple[int, ...], order: list[int], data: bytes) -> Struct | None:
    """The value, decoded field by field, as some are not of the usual form; None: let fastavro decode it."""
    values, at = list[Any](), BODY
    try:
        for step in steps:
            value, at = _any(step, data, at)
            values.append(value)
    except (IndexError, ValueError):
        return None
    return kind(*(values[number] for number in order)) if at == len(data) else None


def _any(step: int, data: bytes, at: int) -> tuple[str | int | None, int]:
    """The value at ``at`` and its end. Raises IndexError, and ValueError for what fastavro is to decode."""
    if step == _FLAG:
        if data[at] > 1:
            raise ValueError(f"the byte {data[at]} is no truth value")
        return data[at] == 1, at + 1
    if step in (_NUMBER, _TIME):
        return _number(data, at)
    if step == _OPTIONAL_TEXT:
        branch, at = _number(data, at)
        if branch == 0:
            return None, at
        if branch != 1:
            raise ValueError(f"no branch {branch}")
    length, at = _number(data, at)
    if length < 0:
        raise ValueError(f"a length of {length}")
    return data[at : at + length].decode(), at + length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and its end. Raises IndexError, and ValueError for more than LARGEST_BITS."""
    zigzag, shift, more = 0, 0, _MORE
    while more:
        byte = data[at]
        at += 1
        more = byte & _MORE
        zigzag |= (byte ^ more) << shift
        shift += 7
        if shift > LARGEST_BITS:
            raise ValueError(f"the number has more than {LARGEST_BITS} bits")
    return (zigzag >> 1) ^ -(zigzag & 1), at
