"""A process's metrics, in Prometheus' format, on a port of their own."""

from typing import TYPE_CHECKING

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from foundation.settings import Settings


def serve_metrics(registry: "CollectorRegistry", settings: "Settings") -> None:
    """Answer at the settings' ``metrics_port``, in a thread, until the process ends. Raises CommandError."""
    from prometheus_client import make_wsgi_app, start_http_server

    from foundation.http.addresses import UnknownHost, resolve
    from foundation.http.head import with_head

    try:
        server, _ = start_http_server(settings.metrics_port, resolve(settings.host), registry)
    except (OSError, UnknownHost) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(
            exits.FAILED,
            f"the metrics can't be served at {settings.host}:{settings.metrics_port}: {reason}; "
            "choose another port with LIBRARY_METRICS_PORT",
        ) from error
    server.set_app(with_head(make_wsgi_app(registry)))
