"""Numbers of the command line have one spelling: that of JSON."""

from collections.abc import Iterator

import click
import pytest

from foundation.cli.numbers import Integer, IntegerRange, Number
from library.cli import library
from projector.__main__ import projector


@pytest.mark.parametrize("text", ["1_0", "+5", " 5", "05", "5.0", "5e0", "٥", "", "five"])
@pytest.mark.parametrize("kind", [Integer(), IntegerRange(0, 100)])
def test_another_spelling_of_a_whole_number_is_refused(kind: click.ParamType, text: str):
    with pytest.raises(click.BadParameter, match="is not a whole number, as 50"):
        kind.convert(text, None, None)


@pytest.mark.parametrize("text", ["1_0.5", "+5", " 5", "05", ".5", "5.", "٥", "nan", "inf", ""])
def test_another_spelling_of_a_number_is_refused(text: str):
    with pytest.raises(click.BadParameter, match="is not a number, as"):
        Number().convert(text, None, None)


def test_numbers_as_json_has_them_are_accepted():
    assert [Integer().convert(text, None, None) for text in ("0", "-5", "50")] == [0, -5, 50]
    assert IntegerRange(0, 50).convert("50", None, None) == 50
    assert [Number().convert(text, None, None) for text in ("2.5", "1e3", "-0.5")] == [2.5, 1000, -0.5]
    with pytest.raises(click.BadParameter, match="range"):
        IntegerRange(0, 50).convert("51", None, None)


def every_option(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                member = command.get_command(context, name)
                assert member is not None
                yield from every_option(member)


def test_every_option_that_is_a_number_has_this_spelling():
    options = [*every_option(library), *every_option(projector)]
    numbers = click.types.IntParamType | click.types.FloatParamType
    found = [option for option in options if isinstance(option.type, numbers)]
    assert len(found) > 10
    assert [each.name for each in found if not isinstance(each.type, Integer | IntegerRange | Number)] == []
