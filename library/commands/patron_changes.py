"""``library patron add``, ``forget`` and ``keep``."""

import os
from typing import TYPE_CHECKING, assert_never

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings
    from inventory.patrons import PatronCommand, PatronState

_SETTINGS = ("kafka", "name", "gateway", "data_dir", "deadline")
_as_json = click.option("--json", "as_json", is_flag=True, help="One line of JSON, without the name.")


@click.command()
@click.argument("user")
@_as_json
@with_settings(*_SETTINGS)
def add(settings: "Settings", user: str, as_json: bool) -> int:
    """Register USER; the first loan does it, too."""
    from inventory.patrons import AddPatron

    return _carry_out(settings, AddPatron(user), as_json)


@click.command()
@click.argument("user")
@click.option("--when-returned", is_flag=True, help="Lend USER nothing more, and wait for the last return.")
@_as_json
@with_settings(*_SETTINGS)
def forget(settings: "Settings", user: str, when_returned: bool, as_json: bool) -> int:
    """Forget USER: the events stay, and nobody knows any more whom they mean.

    It is refused while USER has something on loan. It may be run again at any time, also after it was killed.
    """
    from inventory.patrons import ForgetPatron

    return _carry_out(settings, ForgetPatron(user, when_returned), as_json)


@click.command()
@click.argument("user")
@_as_json
@with_settings(*_SETTINGS)
def keep(settings: "Settings", user: str, as_json: bool) -> int:
    """Take back that USER is to be forgotten at the last return."""
    from inventory.patrons import KeepPatron

    return _carry_out(settings, KeepPatron(user), as_json)


def _carry_out(settings: "Settings", command: "PatronCommand", as_json: bool) -> int:
    import msgspec

    from eventstore.state.outcomes import OutcomeUnknown, Unwritable
    from foundation.text import Malformed
    from inventory.commands import checked_patron
    from producer.client import execute_about_patron
    from producer.gateway.patron_responses import OPEN_LOANS, NoNames, open_loans
    from producer.receipt import PatronDocument

    command_id = os.urandom(16).hex()
    try:
        result = execute_about_patron(settings, command_id, checked_patron(command))
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    except NoNames as error:
        raise CommandError(exits.REFUSED, str(error), "no_names") from error
    if isinstance(result, Unwritable):
        raise CommandError(exits.FAILED, result.reason)
    if isinstance(result, OutcomeUnknown):
        code = exits.UNKNOWN if result.sent else exits.UNAVAILABLE
        raise CommandError(code, f"this did not end ({result.reason}); run the same command again")
    if result.state == "open_loans":
        raise CommandError(exits.REFUSED, open_loans(result), OPEN_LOANS)
    if as_json:
        click.echo(msgspec.json.encode(PatronDocument.of(command_id, result)))
    else:
        click.echo(_sentence(result))
    return exits.DONE


def _sentence(state: "PatronState") -> str:
    match state.state:
        case "registered":
            return f"registered as {state.patron}"
        case "closing":
            titles = f" of {', '.join(state.isbns)}" if state.isbns else ""
            return f"{state.patron} will be forgotten at the last return{titles}"
        case "forgotten":
            return f"{state.patron} is forgotten"
        case "unknown":
            return "nobody is registered with this user id"
        case "open_loans":
            raise AssertionError("reported as an error")
        case _:
            assert_never(state.state)
