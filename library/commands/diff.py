"""``library diff``: the titles that differ between two moments."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.cli.tables import Column, Fit
from library.commands.queries import ISBN, Form, checked_field, printing, show

if TYPE_CHECKING:
    from foundation.settings import Settings

COLUMNS = (
    ISBN,
    Column("change"),
    Column("field"),
    Column("before", Fit.TEXT),
    Column("after", Fit.TEXT),
    Column("from_version", drop=2),
    Column("to_version", drop=1),
)


@click.command()
@click.argument("isbn", required=False)
@click.option(
    "--from", "start", required=True, metavar="TIME", help="The earlier moment; of a day its beginning."
)
@click.option("--to", "end", metavar="TIME", help="The later moment; of a day its end. By default now.")
@printing
def diff(settings: "Settings", isbn: str | None, start: str, end: str | None, form: Form) -> None:
    """Show the titles that differ between two moments, or only ISBN, with the values of both.

    Only what both moments show counts: a copy that was borrowed and returned in between is no difference.
    """
    from schemas.times import rfc3339

    before, after = _moments(settings, start, end)
    number = checked_field("isbn", isbn)
    parameters = {"from": rfc3339(before), "to": rfc3339(after), "isbn": number}
    show(settings, COLUMNS, ("diff",), parameters, form, nothing="no differences", lines=_lines, known=number)


def _moments(settings: "Settings", start: str, end: str | None) -> tuple[int, int]:
    """The two times in ms. Raises CommandError."""
    import time

    from library.commands.moments import parse_moment
    from schemas.times import BadTime

    now_ms = int(time.time() * 1000)
    try:
        begin = parse_moment(start, settings.timezone)
        last = None if end is None else parse_moment(end, settings.timezone)
    except BadTime as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    # Before the first millisecond of a day: what happens in it belongs to the day
    before = begin.begin_ms - 1 if begin.begin_ms < begin.end_ms else begin.begin_ms
    after = now_ms if last is None else last.end_ms
    if last is not None and last.begin_ms <= now_ms:
        # The end of today; a time in the future is left to the query API, which refuses it
        after = min(after, now_ms)
    if begin.begin_ms > now_ms:
        raise CommandError(exits.MALFORMED, f"--from {start} is in the future")
    if begin.begin_ms > after:
        raise CommandError(exits.MALFORMED, "--from is later than --to")
    return before, after


def _lines(title: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One line for each field of a title that differs."""
    for name, values in title["fields"].items():
        yield {**title, "field": name, **values}
