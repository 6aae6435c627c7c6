"""``python -m examples.patron_loans show USER`` prints the open loans of a borrower."""

from collections.abc import Iterator

import click
from confluent_kafka import KafkaException

from eventstore.partition_reader import follow_partition
from examples.patron_loans.projection import CODEC, TABLE, PatronLoan, PatronRow
from foundation.cli.app import run, with_settings
from foundation.cli.tables import print_rows
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from schemas.times import rfc3339


@click.group()
def patron_loans() -> None:
    """Query the open loans of each borrower."""


@patron_loans.command()
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
@with_settings("kafka", "name", "partitions", "data_dir", "deadline")
def show(settings: Settings, user: str, as_json: bool) -> None:
    """Print the open loans of USER, earliest due date first."""
    try:
        loans = sorted(open_loans(settings, user), key=lambda loan: (loan.due_at, loan.isbn))
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    rows = [
        {"isbn": loan.isbn, "borrowed_at": rfc3339(loan.borrowed_at), "due_at": rfc3339(loan.due_at)}
        for loan in loans
    ]
    print_rows(["isbn", "borrowed_at", "due_at"], rows, as_json, nothing=f"{user} has no open loan")


def open_loans(settings: Settings, user: str) -> Iterator[PatronLoan]:
    """The loans in the user's rows, one row from each partition. Raises as ``follow_partition``."""
    for partition in range(settings.partitions):
        newest = None
        for message in follow_partition(settings, TABLE.changelog(settings), partition):
            if message is None:
                break
            if message.key() == user.encode():
                newest = message.value()
        if newest is not None:
            row: PatronRow = CODEC.decode(newest)
            yield from row.loans


if __name__ == "__main__":
    run(patron_loans, "python -m examples.patron_loans")
