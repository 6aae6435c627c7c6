"""``python -m projector``: one worker of the projector."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings
    from projector.app import App


@click.command()
@with_settings("kafka", "name", "partitions", "data_dir", "deadline", "log_level")
@click.option("--index", default=0, show_default=True, help="This worker's number, unique in the group.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Written when the table is recovered and followed.",
)
def projector(settings: "Settings", index: int, ready_file: Path | None) -> NoReturn:
    """Fold the event store into the inventory table.

    Ends with 65 when a restart won't help, with 69 when Kafka does not answer.
    """
    from foundation.logs import log_as

    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    log_as("projector", settings.log_level)
    admin = _checked(settings)
    # Late: Faust takes half a second to import
    from projector import app, worker
    from schemas.topics import identify

    _quieten(settings)
    built = app.build(settings, index, lambda: identify(admin, settings))
    if settings.metrics_port:
        _tell_metrics(built, settings)
    worker.leave(worker.run(built, ready_file))


def _tell_metrics(app: "App", settings: "Settings") -> None:
    try:
        app.metrics.serve(settings.host, settings.metrics_port)
    except OSError as error:
        raise CommandError(
            exits.FAILED,
            f"the metrics can't be told at {settings.host}:{settings.metrics_port}: {error.strerror}; choose "
            "another port with LIBRARY_METRICS_PORT",
        ) from error


def _checked(settings: "Settings") -> "AdminClient":
    """A connection to Kafka, with topics as the settings say; waits for Kafka for the deadline."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import WrongTopic
    from foundation.kafka_clients import client_config, why
    from schemas.topics import check_topics

    admin = AdminClient(client_config(settings))
    limit = time.monotonic() + settings.deadline
    while True:
        try:
            check_topics(admin, settings, timeout=min(5.0, settings.deadline))
            return admin
        except WrongTopic as error:
            raise CommandError(exits.BAD_DATA, str(error)) from error
        except KafkaException as error:
            if time.monotonic() > limit:
                raise CommandError(
                    exits.UNAVAILABLE, f"Kafka at {settings.kafka} can't be used: {why(settings, error)}"
                ) from error


def _quieten(settings: "Settings") -> None:
    """Leave out what Faust tells about itself, unless somebody looks for an error."""
    import logging

    if settings.log_level != "DEBUG":
        for name in ("faust", "mode", "aiokafka"):
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))


if __name__ == "__main__":
    run(projector, "projector")
