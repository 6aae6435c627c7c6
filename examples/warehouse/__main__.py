"""``python -m examples.warehouse``: receive, pick, count and look up stock."""

import os

import click
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, Refused, submit
from eventstore.topics import ensure_topics
from examples.warehouse.projection import TABLE
from examples.warehouse.rules import WAREHOUSE, Command, CountStock, PickStock, ReceiveStock
from examples.warehouse.server import StockServer
from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings
from foundation.kafka_clients import client_config
from foundation.settings import Settings


def warehouse_settings(settings: Settings) -> Settings:
    """The settings with topics of the warehouse's own: ``warehouse.events`` and its table's changelog."""
    return replace(settings, name="warehouse")


@click.group()
def warehouse() -> None:
    """Keep the stock of a warehouse."""


@warehouse.command("create-topics")
@with_settings("kafka", "partitions", "replication")
def create_topics(settings: Settings) -> None:
    """Create the event store and the table's changelog."""
    ensure_topics(AdminClient(client_config(settings)), warehouse_settings(settings), [TABLE])


@warehouse.command()
@click.argument("sku")
@click.argument("quantity", type=int)
@with_settings("kafka", "partitions", "deadline")
def receive(settings: Settings, sku: str, quantity: int) -> int:
    """Take QUANTITY pieces in."""
    return execute(settings, ReceiveStock(sku, quantity))


@warehouse.command()
@click.argument("sku")
@click.argument("quantity", type=int)
@click.argument("order")
@with_settings("kafka", "partitions", "deadline")
def pick(settings: Settings, sku: str, quantity: int, order: str) -> int:
    """Take QUANTITY pieces off the shelf for ORDER."""
    return execute(settings, PickStock(sku, quantity, order))


@warehouse.command()
@click.argument("sku")
@click.argument("counted", type=int)
@with_settings("kafka", "partitions", "deadline")
def count(settings: Settings, sku: str, counted: int) -> int:
    """Report that COUNTED pieces are there."""
    return execute(settings, CountStock(sku, counted))


@warehouse.command()
@click.option("--port", default=8090, show_default=True)
@with_settings("kafka", "partitions", "deadline")
def serve(settings: Settings, port: int) -> None:
    """Answer GET /stock/SKU."""
    with StockServer(warehouse_settings(settings), port) as server:
        server.serve_forever()


def execute(settings: Settings, command: Command) -> int:
    """Append the command's events, and print its outcome."""
    settings = warehouse_settings(settings)
    writer = Writer(settings, partition_of(command.sku, settings.partitions), WAREHOUSE)
    try:
        (outcome,) = writer.execute([submit(os.urandom(16).hex(), command)], settings.deadline)
    finally:
        writer.close()
    match outcome:
        case Accepted(receipt):
            types = ", ".join(event.type for event in receipt.events) or "unchanged"
            click.echo(f"{command.sku}: {types} at {receipt.position}")
            return exits.DONE
        case Refused(rejection):
            raise CommandError(exits.REFUSED, rejection.message)
        case _:
            raise CommandError(exits.FAILED, str(outcome))


if __name__ == "__main__":
    run(warehouse, "python -m examples.warehouse")
