"""``library inventory``, ``search``, ``history`` and ``loans``: requests to the query API."""

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.http.client import Service
    from foundation.settings import Settings

Parameters = Mapping[str, str | None]
PAGE_SIZE = "500"

json_lines = click.option("--json", "as_json", is_flag=True, help="JSON lines.")


@click.command()
@click.argument("isbn", required=False)
@click.option("--at", metavar="TIME", help="State at this time, for example 2026-01-31T12:00:00Z.")
@json_lines
@with_settings("api", "data_dir", "deadline")
def inventory(settings: "Settings", isbn: str | None, at: str | None, as_json: bool) -> None:
    """Show all titles, or the title ISBN."""
    from query_api.documents import TITLE_COLUMNS

    if isbn is None:
        _show(settings, TITLE_COLUMNS, ("inventory",), {"at": at}, as_json)
    else:
        _show(settings, TITLE_COLUMNS, ("inventory", isbn), {"at": at}, as_json, one=True)


@click.command()
@click.argument("text")
@json_lines
@with_settings("api", "data_dir", "deadline")
def search(settings: "Settings", text: str, as_json: bool) -> None:
    """Show titles whose title or author contains the words of TEXT."""
    from query_api.documents import TITLE_COLUMNS

    _show(settings, TITLE_COLUMNS, ("inventory",), {"q": text}, as_json)


@click.command()
@click.argument("isbn")
@json_lines
@with_settings("api", "data_dir", "deadline")
def history(settings: "Settings", isbn: str, as_json: bool) -> None:
    """Show all events of a title."""
    columns = ("version", "time", "type", "data", "command_id", "position")
    _show(settings, columns, ("inventory", isbn, "history"), {}, as_json)


@click.command()
@click.option("--user", metavar="USER", help="Only the loans of USER.")
@click.option("--isbn", metavar="ISBN", help="Only copies of this title.")
@click.option("--overdue", is_flag=True, help="Only overdue loans.")
@json_lines
@with_settings("api", "data_dir", "deadline")
def loans(settings: "Settings", user: str | None, isbn: str | None, overdue: bool, as_json: bool) -> None:
    """Show the open loans, earliest due date first."""
    columns = ("isbn", "title", "user_id", "borrowed_at", "due_at", "overdue")
    parameters = {"user_id": user, "isbn": isbn, "overdue": "true" if overdue else None}
    _show(settings, columns, ("loans",), parameters, as_json)


def _show(
    settings: "Settings",
    columns: tuple[str, ...],
    path: tuple[str, ...],
    parameters: Parameters,
    as_json: bool,
    one: bool = False,
) -> None:
    """Print the items of all pages of the path, or its ``one`` row."""
    from foundation.cli.tables import print_rows
    from foundation.http.client import NoAnswer, Service

    try:
        with Service(settings.api, settings.deadline) as service:
            rows = iter([_get(service, path, parameters)]) if one else _all(service, path, parameters)
            print_rows(columns, rows if as_json else map(_shown, rows), as_json)
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE,
            f"{error}: `library up` starts a system on this machine, --api URL names another",
        ) from error


def _all(service: "Service", path: tuple[str, ...], parameters: Parameters) -> Iterator[dict[str, Any]]:
    """The items of all pages."""
    cursor: str | None = None
    while True:
        page = _get(service, path, {**parameters, "limit": PAGE_SIZE, "cursor": cursor})
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _get(service: "Service", path: tuple[str, ...], parameters: Parameters) -> dict[str, Any]:
    """The response's JSON. Raises NoAnswer, and CommandError for a problem document."""
    answer = service.get(path, parameters)
    if answer.status != 200:
        raise CommandError(_EXITS.get(answer.status, exits.FAILED), answer.detail)
    value: dict[str, Any] = answer.value
    return value


_EXITS = {400: exits.MALFORMED, 404: exits.NOT_FOUND, 410: exits.NOT_FOUND, 503: exits.UNAVAILABLE}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """The row with one text per cell; on a terminal the ISBN has hyphens."""
    shown = dict(row)
    if isinstance(data := row.get("data"), dict):
        shown["data"] = " ".join(f"{name}={value}" for name, value in data.items())
    if "isbn" in row and sys.stdout.isatty():
        from inventory.isbn import display

        shown["isbn"] = display(row["isbn"])
    return shown
