"""``python -m examples.loans_per_day`` prints the number of loans of each day."""

import click

from eventstore.reader import BATCH_RECORDS, OffsetsGone
from examples.loans_per_day.counts import LoansPerDay, TakenOver
from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings
from foundation.cli.numbers import IntegerRange
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from schemas.reader import open_reader


@click.command()
@click.option(
    "--database", default="loans-per-day.db", show_default=True, help="A file of SQLite, or postgresql://…"
)
@click.option("--max-records", type=IntegerRange(min=1), default=BATCH_RECORDS, show_default=True,
              help="Events in a transaction.")  # fmt: skip
@with_settings("kafka", "data_dir")
def loans_per_day(settings: Settings, database: str, max_records: int) -> None:
    """Print the number of loans of each day, counted up to the newest event."""
    counts = LoansPerDay(database)
    try:
        with open_reader("loans-per-day", settings=settings, stored=counts.offsets) as reader:
            for batch in reader.batches(max_records=max_records):
                counts.apply(batch)
        for day, loans in counts.rows():
            click.echo(f"{loans}\t{day}")
    except (OffsetsGone, TakenOver) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except KafkaUnavailable as error:
        raise unreachable(settings, error) from error
    finally:
        counts.close()


if __name__ == "__main__":
    run(loans_per_day, "python -m examples.loans_per_day")
