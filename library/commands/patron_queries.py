"""``library patron show``, ``list`` and ``pending``: the names as Kafka has them now."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.tables import Column

if TYPE_CHECKING:
    from foundation.settings import Settings
    from schemas.names_view import NamesView

LIST_COLUMNS = (Column("patron"), Column("user_id"), Column("closing", drop=1))
PENDING_COLUMNS = (Column("patron"), Column("waits_for"), Column("since"), Column("age_s", drop=1))
KILLED = "`library patron forget` or `keep`, because the command that forgot this borrower was ended"
_as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines.")
_SETTINGS = ("kafka", "name", "data_dir", "deadline")


@click.command()
@click.argument("who", metavar="TOKEN|USER")
@_as_json
@with_settings(*_SETTINGS)
def show(settings: "Settings", who: str, as_json: bool) -> None:
    """Show the token and the name of a borrower, or when the borrower was forgotten."""
    from foundation.cli.tables import print_rows
    from schemas.patrons import is_token
    from schemas.times import rfc3339

    with names_now(settings, who) as names:
        directory = names.directory
        token = who if is_token(who) else directory.token_of(who)
        if token is None:
            raise CommandError(exits.NOT_FOUND, "nobody is registered with this user id", "unknown_patron")
        user_id, forgotten_at = directory.user_of(token), directory.forgotten.get(token)
        if user_id is None and forgotten_at is not None:
            raise CommandError(
                exits.NOT_FOUND, f"{token} was forgotten on {rfc3339(forgotten_at)}", "forgotten"
            )
        if user_id is None:
            raise CommandError(exits.NOT_FOUND, "no borrower has this token", "unknown_patron")
        print_rows(LIST_COLUMNS, [_listed(names, token, user_id)], as_json)


@click.command(name="list")
@_as_json
@with_settings(*_SETTINGS)
def list_patrons(settings: "Settings", as_json: bool) -> None:
    """List the borrowers by name, with their tokens."""
    from foundation.cli.tables import print_rows

    with names_now(settings) as names:
        rows = sorted(names.directory, key=lambda pair: pair[1])
        listed = (_listed(names, token, user_id) for token, user_id in rows)
        print_rows(LIST_COLUMNS, listed, as_json, nothing="nobody is registered")


@click.command()
@_as_json
@with_settings(*_SETTINGS)
def pending(settings: "Settings", as_json: bool) -> None:
    """List erasures that are not complete: those that wait for a return, and names still in Kafka's log."""
    from zoneinfo import ZoneInfo

    from foundation.cli.tables import print_rows

    with names_now(settings) as names:
        waits = [
            ("the last return" if closing.when_returned else KILLED, token, closing[1])
            for token, closing in names.directory.closing.items()
        ]
        waits += [("Kafka's log cleaner", token, at) for token, at in names.logged.items()]
        print_rows(
            PENDING_COLUMNS, _waiting(waits), as_json, zone=ZoneInfo(settings.timezone),
            nothing="every erasure is complete, as far as this broker's log shows",
        )  # fmt: skip


@contextmanager
def names_now(settings: "Settings", only: str = "") -> Iterator["NamesView"]:
    """The names, read to their end; with ``only`` those of one borrower. Raises CommandError."""
    from schemas.names_view import NamesUnknown, NamesView

    names = NamesView(settings, only)
    names.start()
    try:
        names.catch_up(settings.deadline)
        if not names.exists:
            raise CommandError(
                exits.REFUSED, "this store has the user ids of borrowers in its events", "no_names"
            )
        yield names
    except NamesUnknown as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    finally:
        names.stop()


def _listed(names: "NamesView", token: str, user_id: str) -> dict[str, Any]:
    return {"patron": token, "user_id": user_id, "closing": token in names.directory.closing}


def _waiting(waits: list[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    from schemas.times import rfc3339

    now_ms = time.time() * 1000
    for why, token, since in sorted(waits, key=lambda wait: wait[2]):
        yield {
            "patron": token,
            "waits_for": why,
            "since": rfc3339(since),
            "age_s": round(max(0.0, now_ms - since) / 1000),
        }
