"""``library inventory``, ``search``, ``history`` and ``loans``: requests to the query API."""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.numbers import IntegerRange
from foundation.cli.tables import Column, Fit

if TYPE_CHECKING:
    from foundation.http.client import Response, Service
    from foundation.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])
Parameters = Mapping[str, str | None]
Fetch = Callable[["Service", tuple[str, ...], Parameters], "Response"]
"""Requests a path with parameters."""
Form = Literal["table", "json", "csv"]
PAGE_SIZE = 500
SORTS = ("isbn", "-isbn", "title", "-title", "author", "-author", "updated_at", "-updated_at")


def _without_hyphens(isbn: str) -> str:
    return isbn.replace("-", "")


ISBN = Column("isbn", compact=_without_hyphens)
_TITLE_COLUMNS = (
    ISBN,
    Column("title", Fit.TEXT),
    Column("author", Fit.TEXT, drop=2),
    Column("quantity", drop=3),
    Column("available"),
    Column("on_loan", drop=4),
)
HISTORY_COLUMNS = (
    Column("version"),
    Column("time"),
    Column("type"),
    Column("data", Fit.WRAPPED),
    Column("command_id", drop=2),
    Column("position", drop=3),
    Column("actor", Fit.TEXT, drop=1),
)
LOAN_COLUMNS = (
    ISBN,
    Column("title", Fit.TEXT, drop=1),
    Column("user_id"),
    Column("borrowed_at", drop=3),
    Column("due_at"),
    Column("overdue", drop=2),
)


def title_columns() -> tuple[Column, ...]:
    """The columns of a title. A field that has no column here is the first to be left out."""
    from query_api.documents import TITLE_COLUMNS

    columns = {column.name: column for column in _TITLE_COLUMNS}
    return tuple(columns.get(name, Column(name, Fit.TEXT, drop=5)) for name in TITLE_COLUMNS)


def printing(command: Function) -> Function:
    """Give a query its settings, and the options that choose its ``form``."""

    @functools.wraps(command)
    def in_form(*args: Any, as_json: bool, as_csv: bool, **more: Any) -> Any:
        if as_json and as_csv:
            raise CommandError(exits.MALFORMED, "give --json or --csv, not both")
        form: Form = "json" if as_json else "csv" if as_csv else "table"
        return command(*args, form=form, **more)

    decorated: Any = with_settings("api", "data_dir", "deadline")(in_form)
    decorated = click.option("--csv", "as_csv", is_flag=True, help="CSV with a header.")(decorated)
    result: Function = click.option("--json", "as_json", is_flag=True, help="JSON lines.")(decorated)
    return result


def _listing(command: Function) -> Function:
    """Give a query the options that select and sort titles."""
    decorated: Any = command
    for option in reversed(
        (
            click.option("--author", metavar="WORDS", help="Whose author has these words."),
            click.option(
                "--available/--unavailable", default=None, help="With, or without, a copy on the shelf."
            ),
            click.option("--sort", type=click.Choice(SORTS), help="Order; - before it: descending."),
            click.option("--limit", type=IntegerRange(1, 10**9), metavar="N", help="The first N titles."),
        )
    ):
        decorated = option(decorated)
    result: Function = decorated
    return result


@click.command()
@click.argument("isbn", required=False)
@click.option("--at", metavar="TIME", help="State at this time, or at the end of this day: 2026-01-31.")
@_listing
@printing
def inventory(
    settings: "Settings",
    isbn: str | None,
    at: str | None,
    author: str | None,
    available: bool | None,
    sort: str | None,
    limit: int | None,
    form: Form,
) -> None:
    """Show all titles, or the title ISBN. --csv prints what `import` reads."""
    moment = None if at is None else _end_of(settings, at)
    number = checked_field("isbn", isbn)
    if number is None:
        parameters = {"at": moment, **_selection(author, available, sort)}
        show(settings, title_columns(), ("inventory",), parameters, form, limit, "no titles")
    elif (author, available, sort, limit) != (None, None, None, None):
        raise CommandError(
            exits.MALFORMED, "--author, --available, --sort and --limit are for all titles: leave ISBN out"
        )
    else:
        show(settings, title_columns(), ("inventory", number), {"at": moment}, form, one=True)


@click.command()
@click.argument("text")
@_listing
@printing
def search(
    settings: "Settings",
    text: str,
    author: str | None,
    available: bool | None,
    sort: str | None,
    limit: int | None,
    form: Form,
) -> None:
    """Show titles whose title or author contains the words of TEXT."""
    parameters = {"q": _words("the search", text), **_selection(author, available, sort)}
    nothing = f"no titles with {text!r}" + ("" if author is None else f" by {author!r}")
    show(settings, title_columns(), ("inventory",), parameters, form, limit, nothing)


@click.command()
@click.argument("isbn")
@printing
def history(settings: "Settings", isbn: str, form: Form) -> None:
    """Show all events of a title."""
    show(settings, HISTORY_COLUMNS, ("inventory", checked_field("isbn", isbn) or "", "history"), {}, form)


@click.command()
@click.option("--user", metavar="USER", help="Only the loans of USER.")
@click.option("--patron", metavar="TOKEN", help="Only the loans of the borrower with this token.")
@click.option("--isbn", metavar="ISBN", help="Only copies of this title.")
@click.option("--overdue", is_flag=True, help="Only overdue loans.")
@printing
def loans(
    settings: "Settings", user: str | None, patron: str | None, isbn: str | None, overdue: bool, form: Form
) -> None:
    """Show the open loans, earliest due date first."""
    parameters = {
        "user_id": checked_field("user_id", user),
        "patron": patron,
        "isbn": checked_field("isbn", isbn),
        "overdue": "true" if overdue else None,
    }
    path = ("loans", "search")
    show(settings, LOAN_COLUMNS, path, parameters, form, nothing="no open loans", fetch=search_loans)


def by_get(service: "Service", path: tuple[str, ...], parameters: Parameters) -> "Response":
    """Request a path with parameters in the URL. Raises NoAnswer."""
    return service.get(path, parameters)


def search_loans(service: "Service", path: tuple[str, ...], parameters: Parameters) -> "Response":
    """The same with parameters in the body: proxies keep URLs, and those would name borrowers."""
    size, overdue = parameters.get("limit"), parameters.get("overdue")
    filters = {"limit": size and int(size), "overdue": None if overdue is None else overdue == "true"}
    return service.search(path, {**parameters, **filters})


def _selection(author: str | None, available: bool | None, sort: str | None) -> Parameters:
    shelf = None if available is None else str(available).lower()
    return {"author": _words("--author", author), "available": shelf, "sort": sort}


def checked_field(field: str, text: str | None) -> str | None:
    """``text`` as commands record that field. Raises CommandError.

    Checked here: in a path, an ISBN such as "" or "a/b" would name another route.
    """
    if text is None:
        return None
    from foundation.text import Malformed
    from inventory.commands import FIELDS

    try:
        return str(FIELDS[field].check(text))
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error


def _words(where: str, text: str | None) -> str | None:
    """Words to look for. Raises CommandError where there is none."""
    if text is not None and not text.strip():
        raise CommandError(exits.MALFORMED, f"{where} has no words to look for")
    return text


def _end_of(settings: "Settings", text: str) -> str:
    """The time in ``text``; for a day its end, or now if it has not ended. Raises CommandError."""
    import time

    from library.commands.moments import parse_moment
    from schemas.times import BadTime, rfc3339

    try:
        moment = parse_moment(text, settings.timezone)
    except BadTime as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    now_ms = int(time.time() * 1000)
    # A time in the future is left to the query API, which refuses it
    return rfc3339(min(moment.end_ms, now_ms) if moment.begin_ms <= now_ms else moment.end_ms)


def show(
    settings: "Settings",
    columns: tuple[Column, ...],
    path: tuple[str, ...],
    parameters: Parameters,
    form: Form,
    limit: int | None = None,
    nothing: str = "",
    one: bool = False,
    lines: Callable[[dict[str, Any]], Iterator[dict[str, Any]]] | None = None,
    known: str | None = None,
    fetch: Fetch = by_get,
) -> None:
    """Print the first ``limit`` items of the path's pages, or its ``one`` row.

    Except in JSON, ``lines`` makes several rows of an item. ``known``: a title without events is an error.
    """
    from zoneinfo import ZoneInfo

    from foundation.cli.tables import print_rows
    from foundation.http.client import NoAnswer, Service

    try:
        with Service(settings.api, settings.deadline) as service:
            if known is not None:
                get(service, ("inventory", known, "history"), {"limit": "1"})
            found = (
                iter([get(service, path, parameters)])
                if one
                else _all(service, path, parameters, limit, fetch)
            )
            if form != "json":
                split = found if lines is None else chain.from_iterable(map(lines, found))
                found = map(_shown, split)
            zone = ZoneInfo(settings.timezone)
            print_rows(columns, found, form == "json", as_csv=form == "csv", zone=zone, nothing=nothing)
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE,
            f"{error}: `library up` starts a system on this machine, --api URL names another",
        ) from error


def _all(
    service: "Service", path: tuple[str, ...], parameters: Parameters, limit: int | None, fetch: Fetch
) -> Iterator[dict[str, Any]]:
    """The first ``limit`` items of all pages; None: all items."""
    size = str(PAGE_SIZE if limit is None else min(limit, PAGE_SIZE))
    return islice(pages(service, path, {**parameters, "limit": size}, fetch), limit)


def pages(
    service: "Service", path: tuple[str, ...], parameters: Parameters, fetch: Fetch = by_get
) -> Iterator[dict[str, Any]]:
    """The items of all pages of a path. Raises as ``get``."""
    cursor: str | None = None
    while True:
        page = get(service, path, {**parameters, "cursor": cursor}, fetch)
        if not {"items", "next_cursor"} <= page.keys():
            raise _other_service(service)
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def get(
    service: "Service", path: tuple[str, ...], parameters: Parameters, fetch: Fetch = by_get
) -> dict[str, Any]:
    """The response's JSON. Raises NoAnswer, and CommandError for a problem document."""
    response = fetch(service, path, parameters)
    if response.status != 200:
        raise CommandError(_EXITS.get(response.status, exits.FAILED), response.detail, response.code)
    try:
        value = response.value
    except ValueError as error:
        raise _other_service(service) from error
    if not isinstance(value, dict):
        raise _other_service(service)
    return value


def _other_service(service: "Service") -> CommandError:
    return CommandError(
        exits.UNAVAILABLE, f"what answers at {service.url} is not the query API: --api URL names it"
    )


_EXITS = {400: exits.MALFORMED, 404: exits.NOT_FOUND, 410: exits.NOT_FOUND, 503: exits.UNAVAILABLE}


FORGOTTEN = "(forgotten)"
"""In place of the name of a borrower who was forgotten."""


def data_line(data: dict[str, Any]) -> str:
    """The fields of an event in a line. Its borrower is named, or shown as forgotten."""
    named = {name: FORGOTTEN if value is None else value for name, value in data.items()}
    return " ".join(f"{name}={value}" for name, value in named.items())


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """The row with one text per cell; on a terminal the ISBN has hyphens."""
    shown = dict(row)
    if "patron" in row and row["user_id"] is None:
        shown["user_id"] = FORGOTTEN
    if isinstance(data := row.get("data"), dict):
        shown["data"] = data_line(data)
    if "isbn" in row and sys.stdout.isatty():
        from inventory.isbn import display

        shown["isbn"] = display(row["isbn"])
    return shown
