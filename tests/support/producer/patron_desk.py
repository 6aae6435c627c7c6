"""A process that lends, takes back, forgets and keeps a few borrowers at random until its input ends.

Arguments: settings as JSON, and a seed.
"""

import random
import select
import sys
from uuid import uuid4

import msgspec

from foundation.settings import Settings
from inventory.commands import BorrowBook, Command, RenewLoan, ReturnBook
from inventory.patrons import AddPatron, ForgetPatron, KeepPatron, PatronCommand
from producer.client import execute, execute_about_patron
from tests.support.producer.writer_calls import ISBN, OTHER

BORROWERS = ("card-0048213", "card-0048214", "card-0048215")
ISBNS = (ISBN, OTHER)


def main() -> None:
    """Run, and print a line for each command that has ended."""
    settings, chance = msgspec.json.decode(sys.argv[1], type=Settings), random.Random(int(sys.argv[2]))
    while not select.select([sys.stdin], [], [], 0)[0]:
        borrower = chance.choice(BORROWERS)
        command = _command(chance, borrower)
        if isinstance(command, PatronCommand):
            result: object = execute_about_patron(settings, uuid4().hex, command)
        else:
            result = execute(settings, uuid4().hex, command)
        sys.stdout.write(f"{command!r} {result!r}\n")
        sys.stdout.flush()


def _command(chance: random.Random, borrower: str) -> Command | PatronCommand:
    isbn = chance.choice(ISBNS)
    commands: list[Command | PatronCommand] = [
        BorrowBook(isbn, borrower),
        BorrowBook(isbn, borrower),
        ReturnBook(isbn, borrower),
        ReturnBook(isbn, borrower),
        ReturnBook(isbn),
        RenewLoan(isbn, borrower),
        AddPatron(borrower),
        ForgetPatron(borrower),
        ForgetPatron(borrower, True),
        KeepPatron(borrower),
    ]
    return chance.choice(commands)


if __name__ == "__main__":
    main()
