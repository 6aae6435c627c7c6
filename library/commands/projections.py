"""The option ``--projection`` of the commands that also work on a projection of one's own."""

from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from projector.projection import Projection


def creating_topics() -> str:
    """The command that makes the topics of the projection that the running command is for."""
    name = click.get_current_context().meta.get(__name__)
    return "library topics create" if name is None else f"library topics create --projection {name}"


def _loaded(
    context: click.Context,
    parameter: click.Parameter,  # noqa: ARG001
    name: str | None,
) -> "Projection | None":
    if name is None:
        return None
    from projector.projection import NoProjection, load_projection

    context.meta[__name__] = name
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
