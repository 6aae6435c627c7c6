"""A process that borrows one title when it reads a line. Arguments: settings as JSON, and the borrower."""

import sys

import msgspec

from eventstore.state.outcomes import Accepted
from foundation.settings import Settings
from inventory.commands import BorrowBook
from producer.writers import writer_of
from tests.support.producer.writer_calls import ISBN, command


def main() -> None:
    """Print ``ready``, wait for a line, borrow, and print the outcome."""
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    writer = writer_of(settings, 0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    (outcome,) = writer.execute([command(BorrowBook(ISBN, sys.argv[2]))], settings.deadline)
    if isinstance(outcome, Accepted):
        sys.stdout.write("accepted\n")
    else:
        sys.stdout.write(f"{getattr(getattr(outcome, 'rejection', None), 'code', outcome)}\n")


if __name__ == "__main__":
    main()
