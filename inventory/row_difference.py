"""How two rows of a title differ."""

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.row import InventoryRow


def members(row: InventoryRow | None) -> dict[str, Any]:
    """The row's fields by name; none if there is no row."""
    found: dict[str, Any] = {} if row is None else msgspec.to_builtins(row)
    return found


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of the members that differ."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]
