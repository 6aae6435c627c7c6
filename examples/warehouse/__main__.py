"""``python -m examples.warehouse``: receive, pick, count and look up stock."""

import os

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstore import Accepted, OutcomeUnknown, Refused, Writer, submit
from eventstore.partitions import partition_of
from eventstore.topics import ensure_topics
from examples.warehouse.events import EVENTS
from examples.warehouse.projection import TABLE
from examples.warehouse.rules import WAREHOUSE, Command, CountStock, PickStock, ReceiveStock
from examples.warehouse.server import StockServer
from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings
from foundation.cli.numbers import IntegerRange
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import client_config
from foundation.settings import Settings

NAME = "warehouse"  # the default of --name: two domains must never share an event store
PIECES = IntegerRange(0, 1_000_000)


@click.group()
def warehouse() -> None:
    """Keep the stock of a warehouse."""


@warehouse.command("create-topics")
@with_settings("kafka", "name", "partitions", "replication", name=NAME)
def create_topics(settings: Settings) -> None:
    """Create the event store and the table's changelog."""
    try:
        ensure_topics(AdminClient(client_config(settings)), settings, [TABLE])
    except KafkaException as error:
        raise unreachable(settings, error) from error


@warehouse.command()
@click.argument("sku")
@click.argument("quantity", type=PIECES)
@with_settings("kafka", "name", "partitions", "deadline", name=NAME)
def receive(settings: Settings, sku: str, quantity: int) -> None:
    """Take QUANTITY pieces in."""
    execute(settings, ReceiveStock(sku, quantity))


@warehouse.command()
@click.argument("sku")
@click.argument("quantity", type=PIECES)
@click.argument("order")
@with_settings("kafka", "name", "partitions", "deadline", name=NAME)
def pick(settings: Settings, sku: str, quantity: int, order: str) -> None:
    """Take QUANTITY pieces off the shelf for ORDER."""
    execute(settings, PickStock(sku, quantity, order))


@warehouse.command()
@click.argument("sku")
@click.argument("counted", type=PIECES)
@with_settings("kafka", "name", "partitions", "deadline", name=NAME)
def count(settings: Settings, sku: str, counted: int) -> None:
    """Report that COUNTED pieces are there."""
    execute(settings, CountStock(sku, counted))


@warehouse.command()
@click.option("--port", default=8090, show_default=True, help="0 means any free port.")
@with_settings("kafka", "name", "partitions", "deadline", name=NAME)
def serve(settings: Settings, port: int) -> None:
    """Answer GET /stock/SKU from the table."""
    with StockServer(settings, port) as server:
        click.echo(f"http://127.0.0.1:{server.server_port}/stock/SKU")
        server.serve_forever()
    raise CommandError(exits.UNAVAILABLE, "the table can't be read any more")


def execute(settings: Settings, command: Command) -> None:
    """Append the command's events, and print their types and position."""
    if not EVENTS.is_stream(command.sku):
        raise CommandError(exits.MALFORMED, "a SKU has 1 to 40 characters")
    writer = Writer(settings, partition_of(command.sku, settings.partitions), WAREHOUSE)
    try:
        (outcome,) = writer.execute([submit(os.urandom(16).hex(), command)], settings.deadline)
    finally:
        writer.close()
    match outcome:
        case Accepted(receipt):
            types = ", ".join(event.type for event in receipt.events) or "unchanged"
            click.echo(f"{command.sku}: {types} at {receipt.position}")
        case Refused(rejection):
            raise CommandError(exits.REFUSED, rejection.message)
        case OutcomeUnknown(reason):
            raise CommandError(exits.UNKNOWN, f"the outcome is unknown: {reason}")
        case _:
            raise CommandError(exits.FAILED, str(outcome))


if __name__ == "__main__":
    run(warehouse, "python -m examples.warehouse")
