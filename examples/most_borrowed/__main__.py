"""``python -m examples.most_borrowed`` prints the titles with the most loans, once or after each loan."""

import click

from examples.most_borrowed.counts import Counts
from foundation.cli.app import run, with_settings
from foundation.cli.numbers import IntegerRange
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from schemas.events import BookBorrowed
from schemas.reader import open_reader


@click.command()
@click.option("--top", type=IntegerRange(min=1), default=10, show_default=True, help="Number of titles.")
@click.option("--follow", "-f", is_flag=True, help="Keep running, and print the list after each loan.")
@with_settings("kafka", "data_dir")
def most_borrowed(settings: Settings, top: int, follow: bool) -> None:
    """Print the number of loans, ISBN and title of the most borrowed titles."""
    counts = Counts()
    try:
        # No group: the counts are in memory only, so every start reads from the first event
        with open_reader(settings=settings) as reader:
            for batch in reader.batches():
                for record in batch:
                    counts.apply(record)
            _print(counts, top)
            for batch in reader.batches(follow=True) if follow else ():
                for record in batch:
                    counts.apply(record)
                    if isinstance(record.event, BookBorrowed):
                        click.echo()
                        _print(counts, top)
    except KafkaUnavailable as error:
        raise unreachable(settings, error) from error


def _print(counts: Counts, top: int) -> None:
    for loans, isbn, title in counts.top(top):
        click.echo(f"{loans}\t{isbn}\t{title}")


if __name__ == "__main__":
    run(most_borrowed, "python -m examples.most_borrowed")
