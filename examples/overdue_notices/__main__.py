"""``python -m examples.overdue_notices`` prints a line for each borrower to remind. Run it every morning."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from eventstore.reader import OffsetsGone
from examples.overdue_notices.loans import Loans
from foundation.cli import exits
from foundation.cli.app import CommandError, run, with_settings
from foundation.cli.unreachable import unreachable
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from schemas.names_view import NamesUnknown
from schemas.reader import open_reader


@click.command()
@click.option(
    "--state", type=click.Path(path_type=Path), default=Path("overdue-notices.db"), show_default=True
)
@with_settings("kafka", "data_dir")
def overdue_notices(settings: Settings, state: Path) -> None:
    """Print each loan that became overdue since the last run.

    STATE has borrowers as the events have them, by default their tokens; names are only printed.
    """
    loans = Loans(state)
    try:
        with open_reader("overdue-notices", settings=settings, names=True) as reader:
            for batch in reader.batches():
                loans.apply_batch(batch)
            for loan in loans.overdue(round(time.time() * 1000)):
                due = datetime.fromtimestamp(loan.due_at / 1000, UTC).date().isoformat()
                name = reader.name_of(loan.user_id)
                notice = {"user_id": name, "isbn": loan.isbn, "title": loan.title, "due": due}
                click.echo(json.dumps(notice, ensure_ascii=False))
    except OffsetsGone as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except NamesUnknown as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except KafkaUnavailable as error:
        raise unreachable(settings, error) from error
    finally:
        loans.close()


if __name__ == "__main__":
    run(overdue_notices, "python -m examples.overdue_notices")
