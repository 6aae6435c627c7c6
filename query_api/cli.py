"""``python -m query_api``: the query API as a process of its own."""

import gc
import logging
from pathlib import Path

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.settings import Settings

log = logging.getLogger(__name__)


@click.command()
@with_settings("kafka", "name", "partitions", "api", "data_dir", "host", "port", "log_level")
def main(settings: Settings) -> None:
    """Serve the inventory over HTTP from a local replica of the table, until SIGTERM."""
    from foundation import tracing
    from foundation.http.callers import AllowedHosts
    from foundation.http.server import PortTaken, serve
    from foundation.http.traced import TracedRequests
    from foundation.logs import log_as
    from query_api.following.evidence import Evidence
    from query_api.following.source import Source
    from query_api.following.table_follower import TableFollower
    from query_api.following.waiters import Waiters
    from query_api.http.app import create_app, titles_at_once
    from query_api.http.freshness import Reading
    from query_api.http.group_lag import GroupLags
    from query_api.http.metrics import Metrics
    from query_api.http.operations import Operations
    from query_api.http.patrons import Patrons
    from query_api.http.services import Services
    from query_api.replica.folders import NoFolderFree, replica_folder
    from schemas.names_view import NamesView

    log_as("api", settings.log_level)
    tracing.start("library-query-api")
    try:
        with replica_folder(Path(settings.data_dir) / "api") as folder:
            source, waiters = Source(settings), Waiters()
            follower = TableFollower(source, folder, waiters.notify)
            reading = Reading(source, follower, waiters, Patrons(NamesView(settings)))
            groups = GroupLags(source)
            services = Services(settings, groups, reading.instance)
            operations = Operations(reading, source, groups, services)
            metrics = Metrics(reading, operations)
            hosts = AllowedHosts(settings)
            app = create_app(
                reading, waiters, metrics, operations, hosts, settings, Evidence(settings, source)
            )
            # The application's objects stay: the collector, which visits them for milliseconds, need not
            gc.collect()
            gc.freeze()
            log.info("listening on %s:%d", settings.host, settings.port)
            traced = tracing.tracer is not None
            serve(
                TracedRequests(app) if traced else app,
                settings.host,
                settings.port,
                drain=waiters.end,
                # A span begins on the loop
                at_once=None if traced else titles_at_once(reading, metrics, hosts),
            )
    except (PortTaken, NoFolderFree) as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except OSError as error:
        raise CommandError(exits.FAILED, f"the folder of the replica can't be used: {error}") from error
