"""``gateway``: runs the gateway in this process."""

import logging
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings

log = logging.getLogger(__name__)


@click.command()
@with_settings(
    "kafka", "name", "partitions", "data_dir", "deadline", "host", "port", "gateway_port", "log_level"
)
def gateway(settings: "Settings") -> None:
    """Take commands over HTTP, until SIGTERM.

    The gateway owns the partitions while it runs: many commands share one transaction. The commands of this
    program go through it while it answers.
    """
    from foundation.http.addresses import UnknownHost
    from foundation.http.server import PortTaken
    from foundation.logs import log_as
    from producer.gateway.app import run
    from producer.writers import signer_of

    # A key that can't be used shall end the process, not a lane
    signer_of(settings, 0)
    log_as("gateway", settings.log_level)
    log.info("listening on %s:%d", settings.host, settings.effective_gateway_port)
    try:
        run(settings)
    except (PortTaken, UnknownHost) as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
