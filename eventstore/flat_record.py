"""Decodes records of texts, whole numbers and truth values, which most are, in half of fastavro's time.

What is not exactly of the expected form is left to fastavro: this decodes a part of what it decodes, to the
same values. ``tests/unit/eventstore/test_flat_record.py`` compares them.
"""

import struct
from collections.abc import Callable
from inspect import Parameter, signature
from operator import itemgetter
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
"""Of a time in ms from mid 1970 to autumn 2039: without a loop, because most numbers are times."""
_time_at = struct.Struct("6B").unpack_from
_TIME_BIAS = sum(_MORE << shift for shift in range(0, 35, 7))
_TEXT, _NUMBER, _OPTIONAL_TEXT, _FLAG = range(4)
_STEPS: dict[str, tuple[int, Any]] = {
    "string": (_TEXT, str),
    "int": (_NUMBER, int),
    "long": (_NUMBER, int),
    "null,string": (_OPTIONAL_TEXT, str | None),
    "boolean": (_FLAG, bool),
}
"""How a field of an Avro type is decoded, and the type that it has in the struct."""


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
    if len(names) < 2 or set(names) != set(kind.__struct_fields__) or not _is_positional(kind):
        return None
    order = [names.index(name) for name in kind.__struct_fields__]
    return _decoder(kind, tuple(steps), None if order == sorted(order) else itemgetter(*order))


def _is_positional(kind: type[Struct]) -> bool:
    parameters = signature(kind).parameters.values()
    return all(parameter.kind is Parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)


def _type_name(declared: Any) -> str:
    if isinstance(declared, dict):
        declared = declared["type"] if declared.keys() == {"type"} else ""
    return ",".join(map(str, declared)) if isinstance(declared, list) else str(declared)


def _decoder(
    kind: type[Struct], steps: tuple[int, ...], arranged: Callable[[list[Any]], Any] | None
) -> FlatDecoder:
    def decode(data: bytes) -> Struct | None:
        values: list[Any] = []
        at, size = BODY, len(data)
        try:
            for step in steps:
                if step == _TEXT:
                    twice = data[at]
                    if twice < _MORE and not twice & 1:
                        end = at + 1 + (twice >> 1)
                        values.append(data[at + 1 : end].decode())
                        at = end
                        continue
                elif step == _NUMBER and at + _TIME_BYTES <= size:
                    a, b, c, d, e, f = _time_at(data, at)
                    # All but the last have the bit
                    if a & b & c & d & e & _MORE > f:
                        zigzag = a + (b << 7) + (c << 14) + (d << 21) + (e << 28) + (f << 35) - _TIME_BIAS
                        values.append((zigzag >> 1) ^ -(zigzag & 1))
                        at += _TIME_BYTES
                        continue
                value, at = _any(step, data, at)
                values.append(value)
        # Too short, or not of the expected form
        except (IndexError, ValueError):
            return None
        if at != size:
            return None
        return kind(*values) if arranged is None else kind(*arranged(values))

    return decode


def _any(step: int, data: bytes, at: int) -> tuple[str | int | None, int]:
    """The value at ``at`` and its end. Raises IndexError, and ValueError for what fastavro is to decode."""
    if step == _FLAG:
        if data[at] > 1:
            raise ValueError(f"the byte {data[at]} is no truth value")
        return data[at] == 1, at + 1
    if step == _NUMBER:
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
