"""``python -m projector``: one worker of a projection."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings
from foundation.cli.metrics_port import serve_metrics
from foundation.cli.numbers import Integer

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import Identity, Table
    from foundation.settings import Settings
    from projector.projection import Projection


@click.command()
@with_settings("kafka", "name", "partitions", "data_dir", "deadline", "log_level")
@click.option(
    "--index",
    type=Integer(),
    default=0,
    show_default=True,
    help="Number of this worker, unique in the group.",
)
@click.option(
    "--projection",
    "chosen",
    metavar="MODULE:NAME",
    help="A projection of your own instead of the inventory; see docs/projections.md.",
)
@click.option(
    "--table",
    "wanted",
    metavar="oldest|newest|N",
    default="oldest",
    show_default=True,
    help="Which inventory table to write, while a rebuild makes a second one.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write once the table is recovered and follows the events.",
)
def projector(
    settings: "Settings", index: int, chosen: str | None, wanted: str, ready_file: Path | None
) -> NoReturn:
    """Fold the event store into the inventory table.

    Exit code 65 means that a restart will not help, 69 that Kafka does not answer.
    """
    from foundation import tracing
    from foundation.logs import log_as

    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    log_as("projector", settings.log_level)
    tracing.start("library-projector")
    number = 0 if chosen else _table_number(settings, wanted)
    projection = _projection(chosen, number)
    admin = _checked(settings, projection.table, chosen)
    # Imported here because Faust takes half a second
    from projector import app, worker

    _silence_faust(settings)
    built = app.build(
        settings, index, lambda: _identity(admin, settings, projection.table, number), projection
    )
    if settings.metrics_port:
        serve_metrics(built.metrics.registry, settings)
    worker.leave(worker.run(built, ready_file))


def _identity(admin: "AdminClient", settings: "Settings", table: "Table", number: int) -> "Identity":
    """The current identity of cluster and topics.

    Raises Unrecoverable for another partition count, and for an inventory table ``number`` that was dropped.
    """
    from eventstore.topics import WrongTopic, check_topics, identify
    from projector.batched_faust.errors import Unrecoverable
    from schemas.tables import read_tables

    try:
        if number and number not in read_tables(admin, settings).numbers:
            raise Unrecoverable(f"table {number} was dropped by `library rebuild drop`: nobody reads it")
        check_topics(admin, settings, [table])
    except WrongTopic as error:
        raise Unrecoverable(str(error)) from error
    return identify(admin, settings, table)


def _table_number(settings: "Settings", wanted: str) -> int:
    """The number of the inventory table to write. Waits for Kafka until the deadline."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import WrongTopic, in_time
    from foundation.kafka_clients import KafkaUnavailable, client_config, why
    from foundation.numbers import is_number
    from schemas.tables import read_tables

    if wanted not in ("oldest", "newest") and not (is_number("integer", wanted) and int(wanted) > 0):
        raise CommandError(exits.MALFORMED, f"--table is oldest, newest or a number from 1, not {wanted!r}")
    if wanted not in ("oldest", "newest"):
        return int(wanted)
    admin = AdminClient(client_config(settings))
    try:
        numbers = in_time(settings, lambda timeout: read_tables(admin, settings, timeout)).numbers
    except WrongTopic as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error
    except (KafkaException, KafkaUnavailable) as error:
        raise CommandError(
            exits.UNAVAILABLE, f"Kafka at {settings.kafka} can't be used: {why(settings, error)}"
        ) from error
    return numbers[0] if wanted == "oldest" else numbers[-1]


def _projection(chosen: str | None, number: int) -> "Projection":
    from projector.projection import NoProjection, load_projection

    if chosen is None:
        from projector.fold.batch_fold import inventory_projection

        return inventory_projection(number)
    try:
        return load_projection(chosen)
    except NoProjection as error:
        raise CommandError(exits.MALFORMED, str(error)) from error


def _checked(settings: "Settings", table: "Table", chosen: str | None) -> "AdminClient":
    """A client of a Kafka whose topics match the settings. Waits for Kafka until the deadline."""
    from confluent_kafka import KafkaException

    from eventstore.topics import MissingTopic, WrongTopic, topics_in_time
    from foundation.kafka_clients import why

    try:
        return topics_in_time(settings, [table])
    except WrongTopic as error:
        text = str(error)
        if chosen and isinstance(error, MissingTopic):
            text = f"{error.found}: `{error.fix} --projection {chosen}`"
        raise CommandError(exits.BAD_DATA, text) from error
    except KafkaException as error:
        raise CommandError(
            exits.UNAVAILABLE, f"Kafka at {settings.kafka} can't be used: {why(settings, error)}"
        ) from error


def _silence_faust(settings: "Settings") -> None:
    """Drop Faust's own log lines unless the level is DEBUG."""
    import logging

    if settings.log_level != "DEBUG":
        for name in ("faust", "mode", "aiokafka"):
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
        # A new broker has no coordinator for a moment, and aiokafka asks again
        coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
        coordinator.addFilter(lambda record: "GroupCoordinatorNotAvailable" not in record.getMessage())


if __name__ == "__main__":
    run(projector, "projector")
