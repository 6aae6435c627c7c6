"""Decodes records of texts, whole numbers and truth values, which most are, in a fraction of fastavro's time.

What is not exactly of the expected form is left to fastavro: this decodes a part of what it decodes, to the
same values. ``tests/unit/eventstore/test_flat_record.py`` compares them.
"""

import struct
from collections.abc import Callable
from inspect import Parameter, signature
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
_TIME_BYTES = 6
"""Of a time in ms from mid 1970 to autumn 2039, which most long numbers are."""
_time_at = struct.Struct("<3H").unpack_from
_NO_PAIR = -(1 << 62)
"""In place of a pair's share: the sum of three is negative then."""
_TEXT, _NUMBER, _TIME, _OPTIONAL_TEXT, _FLAG = range(5)
_STEPS: dict[str, tuple[int, Any]] = {
    "string": (_TEXT, str),
    "int": (_NUMBER, int),
    "long": (_TIME, int),
    "null,string": (_OPTIONAL_TEXT, str | None),
    "boolean": (_FLAG, bool),
}
"""How a field of an Avro type is decoded, and the type that it has in the struct."""
_ANY = "{value}, at = any_at({step}, data, at)"
_LINES = {
    # Fewer than 64 bytes
    _TEXT: (
        "twice = data[at]",
        "if twice & 0x81:",
        f"    {_ANY}",
        "else:",
        "    end = at + 1 + (twice >> 1)",
        "    {value} = data[at + 1 : end].decode()",
        "    at = end",
    ),
    # A byte
    _NUMBER: (
        "zigzag = data[at]",
        "if zigzag & 0x80:",
        f"    {_ANY}",
        "else:",
        "    {value} = (zigzag >> 1) ^ -(zigzag & 1)",
        "    at += 1",
    ),
    # Six bytes
    _TIME: (
        "low, middle, high = time_at(data, at) if at + 6 <= size else no_time",
        "{value} = lows[low] + middles[middle] + highs[high]",
        "if {value} < 0:",
        f"    {_ANY}",
        "else:",
        "    at += 6",
    ),
    _OPTIONAL_TEXT: (_ANY,),
    _FLAG: (_ANY,),
}
"""The code of each step: the frequent case in place, others by a call."""


class _Pairs(dict[int, int]):
    """The share of two bytes in a time, made when they are met first: adding three shares takes least.

    ``place`` is 0 for the first two bytes of the six.
    """

    def __init__(self, place: int) -> None:
        super().__init__()
        self._shift = 14 * place - 1
        self._more = 0x8080 if place < 2 else 0x0080

    def __missing__(self, pair: int) -> int:
        share = (pair & 0x7F) | (pair & 0x7F00) >> 1
        if pair & 0x8080 != self._more:
            share = _NO_PAIR
        elif self._shift >= 0:
            share <<= self._shift
        else:
            # Zigzag: an odd number is negative
            share = _NO_PAIR if share & 1 else share >> 1
        self[pair] = share
        return share


_PAIRS = [_Pairs(place) for place in range(3)]


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

    It is compiled, because a loop over the fields takes twice as long. Only numbers become part of the code.
    """
    lines = ["def decode(data):", f"    at, size = {BODY}, len(data)", "    try:"]
    for number, step in enumerate(steps):
        lines += [f"        {line.format(value=f'v{number}', step=step)}" for line in _LINES[step]]
    values = ", ".join(f"v{number}" for number in order)
    lines += [
        "    except invalid:",
        "        return None",
        f"    return kind({values}) if at == size else None",
    ]
    scope: dict[str, Any] = {"kind": kind, "any_at": _any, "invalid": (IndexError, ValueError)}
    scope |= {"time_at": _time_at, "no_time": (0, 0, 0)}
    scope |= {"lows": _PAIRS[0], "middles": _PAIRS[1], "highs": _PAIRS[2]}
    exec("\n".join(lines), scope)
    decode: FlatDecoder = scope["decode"]
    return decode


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
