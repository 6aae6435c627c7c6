"""A process that borrows one title when told to: the settings and the borrower on its command line."""

import sys

import msgspec

from inventory.commands import BorrowBook
from producer.outcomes import Accepted
from producer.writer import Writer
from schemas.settings import Settings
from tests.producer.writing import ISBN, command


def main() -> None:
    """Say ``ready``, wait for a line, borrow, and say how it went."""
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    writer = Writer(settings, 0)
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
