"""``python -m examples.patron_loans show USER`` prints the open loans of a borrower."""

from collections.abc import Iterator

import click
from confluent_kafka import KafkaException

from eventstore.partition_reader import follow_partition
from examples.patron_loans.projection import CODEC, TABLE, PatronLoan, PatronRow
from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings
from foundation.cli.tables import print_rows
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from schemas.names_view import NamesUnknown, NamesView
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
        borrower = borrower_of(settings, user)
        found = () if borrower is None else open_loans(settings, borrower)
        loans = sorted(found, key=lambda loan: (loan.due_at, loan.isbn))
    except NamesUnknown as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    rows = [
        {"isbn": loan.isbn, "borrowed_at": rfc3339(loan.borrowed_at), "due_at": rfc3339(loan.due_at)}
        for loan in loans
    ]
    print_rows(["isbn", "borrowed_at", "due_at"], rows, as_json, nothing=f"{user} has no open loan")


def borrower_of(settings: Settings, user: str) -> str | None:
    """The borrower USER as events have it: a token where the store keeps names apart. None: there is none.

    Raises NamesUnknown.
    """
    names = NamesView(settings)
    names.start()
    try:
        names.catch_up(settings.deadline)
        return names.token_of(user)
    finally:
        names.stop()


def open_loans(settings: Settings, borrower: str) -> Iterator[PatronLoan]:
    """The loans in the borrower's rows, one row from each partition. Raises as ``follow_partition``."""
    for partition in range(settings.partitions):
        newest = None
        for message in follow_partition(settings, TABLE.changelog(settings), partition):
            if message is None:
                break
            if message.key() == borrower.encode():
                newest = message.value()
        if newest is not None:
            row: PatronRow = CODEC.decode(newest)
            yield from row.loans


if __name__ == "__main__":
    run(patron_loans, "python -m examples.patron_loans")
