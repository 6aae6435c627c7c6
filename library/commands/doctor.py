"""``library doctor``: problems of this system, and the commands that fix them."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings
    from library.checks.finding import Finding


@click.command()
@with_settings("data_dir", "kafka", "name", "api", "gateway", "port", "kafka_port", "gateway_port")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
@click.option(
    "--end-transaction",
    metavar="ID",
    help="Check nothing. Claim this transactional id: Kafka aborts the transaction that its owner left open.",
)
def doctor(settings: "Settings", as_json: bool, end_transaction: str | None) -> int:
    """Find problems, and print the commands that fix them.

    Checks Java, Kafka's jars, the disk, the processes and ports of this machine, the broker, the topics, open
    transactions, the keys of all events, the table's lag, query API and gateway. Ends with 1 if something is
    broken.
    """
    if end_transaction is not None:
        _end(settings, end_transaction)
        return exits.DONE
    import msgspec

    from foundation.cli.tables import print_rows
    from library.checks.doctor import examine
    from library.checks.finding import Grade

    broken = False

    def findings() -> "Iterator[Finding]":
        nonlocal broken
        for finding in examine(settings):
            broken = broken or finding.grade is Grade.BROKEN
            yield finding
            # The next check may take seconds
            sys.stdout.flush()

    if sys.stdout.isatty() and not as_json:
        for finding in findings():
            _show(finding)
    else:
        print_rows(["check", "grade", "found", "fix"], map(msgspec.to_builtins, findings()), as_json)
    return exits.FAILED if broken else exits.DONE


def _end(settings: "Settings", transactional_id: str) -> None:
    from confluent_kafka import KafkaException

    from foundation.cli.unreachable import unreachable
    from library.checks.transactions import end_transaction

    if not transactional_id:
        raise CommandError(exits.MALFORMED, "--end-transaction needs a transactional id")
    try:
        end_transaction(settings, transactional_id, settings.deadline)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    click.echo(
        f"claimed {transactional_id}: its owner can't commit any more, and no transaction of it is open",
        err=True,
    )


def _show(finding: "Finding") -> None:
    colour = {"fine": "green", "warning": "yellow", "broken": "red"}[finding.grade]
    click.echo(f"{click.style(f'{finding.grade:8}', fg=colour)} {finding.check:13} {finding.found}")
    if finding.fix:
        click.echo(f"{'':22} → {finding.fix}")
