"""The commands that change one title."""

import re
from itertools import takewhile
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError
from producer.commands.submission import SubmitOptions, carry_out, command_options

if TYPE_CHECKING:
    from foundation.settings import Settings


class CountingCommand(click.Command):
    """A command with a quantity: it reads ``-1`` as a wrong quantity, not as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as usual. Ends the command with 2 for a negative number before ``--``."""
        before = takewhile(lambda arg: arg != "--", args)
        if negative := next((arg for arg in before if re.fullmatch(r"-\d[\d.]*", arg)), None):
            raise CommandError(
                exits.MALFORMED,
                f"a quantity is a whole number from 1 up, not {negative}; if it is a title, put -- before it",
            )
        return super().parse_args(ctx, args)


@click.command(cls=CountingCommand)
@click.argument("words", nargs=-1, metavar="ISBN TITLE [AUTHOR] [QUANTITY]")
@click.option("--no-isbn", is_flag=True, help="For a title without a number: make an in-house number.")
@command_options
def add(settings: "Settings", words: tuple[str, ...], no_isbn: bool, options: SubmitOptions) -> int:
    """Add a title to the inventory, with QUANTITY copies (1).

    ISBN is an ISBN-10, an ISBN-13 or another EAN-13, with or without hyphens. A title without one is added
    with --no-isbn TITLE [AUTHOR] [QUANTITY].
    """
    from inventory.commands import AddBook

    names = ("TITLE", "AUTHOR", "QUANTITY") if no_isbn else ("ISBN", "TITLE", "AUTHOR", "QUANTITY")
    values = dict(zip(names, words, strict=False))
    if missing := [name for name in names[:-2] if name not in values]:
        raise click.UsageError(f"Missing {' and '.join(missing)}.")
    if len(words) > len(names):
        raise click.UsageError(
            f"Too many words: {words[len(names)]!r} follows the quantity. Put a title with spaces in quotes."
        )

    def command(isbn: str) -> AddBook:
        quantity = _quantity(values.get("QUANTITY", "1"))
        return AddBook(isbn, values["TITLE"], values.get("AUTHOR", ""), quantity)

    if no_isbn:
        from producer.commands.in_house import add_in_house

        return add_in_house(settings, command, options)
    return carry_out(settings, command(values["ISBN"]), options)


@click.command()
@click.argument("isbn")
@click.argument("user")
@command_options
def borrow(settings: "Settings", isbn: str, user: str, options: SubmitOptions) -> int:
    """Lend a copy to USER."""
    from inventory.commands import BorrowBook

    return carry_out(settings, BorrowBook(isbn, user), options)


@click.command("return")
@click.argument("isbn")
@click.argument("user", required=False)
@command_options
def return_(settings: "Settings", isbn: str, user: str | None, options: SubmitOptions) -> int:
    """Take a copy back.

    USER may be left out when only one copy of the title is on loan.
    """
    from inventory.commands import ReturnBook

    return carry_out(settings, ReturnBook(isbn, user), options)


@click.command()
@click.argument("isbn")
@click.argument("user")
@command_options
def renew(settings: "Settings", isbn: str, user: str, options: SubmitOptions) -> int:
    """Give USER's loan a new due date, as if it began now."""
    from inventory.commands import RenewLoan

    return carry_out(settings, RenewLoan(isbn, user), options)


@click.command()
@click.argument("isbn")
@command_options
def remove(settings: "Settings", isbn: str, options: SubmitOptions) -> int:
    """Remove a title from the inventory; no copy may be on loan."""
    from inventory.commands import RemoveBook

    return carry_out(settings, RemoveBook(isbn), options)


@click.group()
def copies() -> None:
    """Add or withdraw copies of a title."""


@copies.command("add", cls=CountingCommand)
@click.argument("isbn")
@click.argument("quantity")
@command_options
def add_copies(settings: "Settings", isbn: str, quantity: str, options: SubmitOptions) -> int:
    """Add QUANTITY copies to a title."""
    from inventory.commands import AddCopies

    return carry_out(settings, AddCopies(isbn, _quantity(quantity)), options)


@copies.command("withdraw", cls=CountingCommand)
@click.argument("isbn")
@click.argument("quantity")
@click.option("--reason", required=True, help="lost, damaged, sold or miscount.")
@click.option("--user", metavar="USER", help="The borrower who lost the copy; the loan is closed.")
@command_options
def withdraw_copies(
    settings: "Settings", isbn: str, quantity: str, reason: str, user: str | None, options: SubmitOptions
) -> int:
    """Remove QUANTITY copies of a title from the inventory."""
    from inventory.commands import WithdrawCopies

    return carry_out(settings, WithdrawCopies(isbn, _quantity(quantity), reason, user), options)


@click.command()
@click.argument("isbn")
@click.option("--title", help="The correct title.")
@click.option("--author", help="The correct author.")
@command_options
def correct(
    settings: "Settings", isbn: str, title: str | None, author: str | None, options: SubmitOptions
) -> int:
    """Correct a title's details."""
    from inventory.commands import CorrectDetails

    return carry_out(settings, CorrectDetails(isbn, title, author), options)


def _quantity(text: str) -> int:
    if re.fullmatch(r"\d{1,18}", text.strip(), re.ASCII):
        return int(text)
    raise CommandError(exits.MALFORMED, f"a quantity is a whole number from 1 up, not {text[:40]!r}")
