"""docs/gateway.md lists every command with its fields."""

import re
from pathlib import Path
from typing import get_args

from inventory.commands import REASONS, Command

PAGE = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text("utf-8")


def test_the_gateway_page_lists_exactly_the_commands_and_their_fields() -> None:
    table = PAGE.partition("## Commands")[2].partition("\n\nUnknown fields")[0]
    listed = {
        command: set(re.findall(r"`(\w+)`", fields)) - set(REASONS)
        for command, fields in re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE)
    }
    assert listed == {kind.__name__: set(kind.__struct_fields__) for kind in get_args(Command)}
