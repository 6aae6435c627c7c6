"""The option ``--projection`` of the commands that also work on a projection of one's own."""

from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from projector.projection import Projection


def _loaded(
    context: click.Context,  # noqa: ARG001
    parameter: click.Parameter,  # noqa: ARG001
    name: str | None,
) -> "Projection | None":
    if name is None:
        return None
    from projector.projection import NoProjection, load_projection

    try:
        return load_projection(name)
    except NoProjection as error:
        raise CommandError(exits.MALFORMED, str(error)) from error


projection_option = click.option(
    "--projection",
    metavar="MODULE:NAME",
    callback=_loaded,
    help="A projection of your own instead of the inventory; see docs/projections.md.",
)
"""Adds the argument ``projection``: the loaded Projection, or None."""
