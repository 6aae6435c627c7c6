"""``library verify``: compare table and query API with the events."""

import sys
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.http.client import Service
    from foundation.settings import Settings
    from library.checks.api_listing import Listed


@click.command()
@click.option("--table-only", is_flag=True, help="Skip the query API.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: the differences, then a summary.")
@with_settings("kafka", "name", "api", "data_dir", "deadline")
def verify(settings: "Settings", table_only: bool, as_json: bool) -> int:
    """Fold all events again, and compare the rows of the table and the query API with the result.

    The system keeps running meanwhile: each partition is compared at one position, at or after its end when
    the command started. Prints the differences; ends with 4 if there are any.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import events_topic
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from inventory.row_fold import Gap
    from library.checks.comparison import Behind, OtherStore
    from library.store.offsets import StillOpen, settled_end

    admin = AdminClient(client_config(settings))
    try:
        ends = settled_end(admin, events_topic(settings), settings.deadline)
        api = None if table_only else _listed(settings)
        return _compare(admin, settings, ends, api, as_json)
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    except (Behind, StillOpen) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (Gap, OtherStore) as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error


def _compare(
    admin: Any, settings: "Settings", ends: dict[int, int], api: "Listed | None", as_json: bool
) -> int:
    from eventstore.positions import format_positions
    from foundation.cli.progress import Progress
    from foundation.cli.tables import print_rows
    from library.checks.comparison import check
    from schemas.topics import identify

    source = identify(admin, settings).source
    with Progress("verifying", sum(ends.values()), "records") as progress:
        compared = list(check(settings, source, ends, api, progress.show))
    differences = [difference for part in compared for difference in part.differences]
    titles, wrong = sum(part.titles for part in compared), len(differences)
    if as_json or differences:
        rows = [_row(difference) if as_json else _line(difference) for difference in differences]
        print_rows(["isbn", "where", "difference"], rows, as_json)
    position = format_positions({part.partition: part.following - 1 for part in compared})
    scope = "table" if api is None else "table and query API"
    if as_json:
        summary = {"titles": titles, "differences": wrong, "position": position, "api": api is not None}
        print_rows([], [summary], as_json)
    elif wrong:
        click.echo(f"{wrong:,} differences in {titles:,} titles, {scope}, at {position}", err=True)
    else:
        click.echo(f"{titles:,} titles match their events, in {scope}, at {position}", err=True)
    sys.stdout.flush()
    return exits.NOT_FOUND if wrong else exits.DONE


def _row(difference: Any) -> dict[str, Any]:
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(difference)
    return row


def _line(difference: Any) -> dict[str, Any]:
    return {"isbn": difference.isbn, "where": difference.where, "difference": difference.summary}


def _listed(settings: "Settings") -> "Listed":
    from foundation.http.client import NoAnswer, Service
    from library.checks.api_listing import listed

    try:
        with Service(settings.api, settings.deadline) as service:
            return listed(service, _page)
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE, f"{error}: --table-only skips the query API, --api URL names another"
        ) from error


def _page(service: "Service", route: str, parameters: dict[str, str | None]) -> tuple[dict[str, Any], str]:
    answer = service.get((route,), parameters)
    if answer.status != 200:
        raise CommandError(exits.UNAVAILABLE, f"the query API refused: {answer.detail}")
    return answer.value, answer.headers.get("Inventory-Position", "")
