"""Options that are numbers, in the spelling of ``foundation.numbers``."""

from typing import Any

import click

from foundation.numbers import NUMBERS, is_number


class Integer(click.types.IntParamType):
    """A whole number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Ends the command with 2 for another spelling."""
        _require("integer", value, self, param, ctx)
        return super().convert(value, param, ctx)


class IntegerRange(click.IntRange):
    """A whole number within limits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Ends the command with 2 for another spelling, and outside the limits."""
        _require("integer", value, self, param, ctx)
        return super().convert(value, param, ctx)


class Number(click.types.FloatParamType):
    """A number with or without a fraction."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Ends the command with 2 for another spelling."""
        _require("number", value, self, param, ctx)
        return super().convert(value, param, ctx)


def _require(
    kind: str, value: Any, number: click.ParamType, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    if isinstance(value, str) and not is_number(kind, value):
        number.fail(f"{value!r} is not {NUMBERS[kind][1]}.", param, ctx)
