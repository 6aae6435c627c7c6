"""``library verify``: compare table and query API with the events."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from library.commands.projections import creating_topics, projection_option
from library.commands.queries import by_get, search_loans
from library.commands.signed_events import verify_signed_events

if TYPE_CHECKING:
    from foundation.http.client import Service
    from foundation.settings import Settings
    from library.checks.api_listing import Listed
    from library.checks.comparison import Checked
    from projector.projection import Projection


@click.command()
@projection_option
@click.option("--table-only", is_flag=True, help="Skip the query API.")
@click.option(
    "--checkpoints",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare the events with these signed checkpoints.",
)
@click.option(
    "--key", "keys", metavar="KEY", multiple=True, help="The notary's public key; several: any of them."
)
@click.option(
    "--backup",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare the events of this backup, without Kafka.",
)
@click.option(
    "--leaves",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The notary's folder with the hashes of all events; default: the folder of the checkpoints.",
)
@click.option(
    "--writers",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The writers' public keys: check the signatures of their transactions, too.",
)
@click.option(
    "--successor",
    "successors",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of a restore: checkpoints of the store before it are compared, too.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines: the differences, then a summary.")
@with_settings("kafka", "name", "api", "data_dir", "deadline")
def verify(
    settings: "Settings",
    projection: "Projection | None",
    table_only: bool,
    checkpoints: Path | None,
    keys: tuple[str, ...],
    backup: Path | None,
    leaves: Path | None,
    writers: Path | None,
    successors: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Fold all events again, and compare the rows of the table and the query API with the result.

    With --projection compare the table of that projection, which folds the events itself.

    With --checkpoints compare the events themselves with what the notary has signed, and name the first ones
    that were changed, deleted, inserted, reordered or cut off. With --writers also name those that no writer
    has signed.

    The system keeps running meanwhile: each partition is compared at one position, at or after its end when
    the command started. Prints the differences; ends with 4 if there are any.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import WrongTopic, check_placement, events_topic
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from library.checks.comparison import Behind, OtherStore
    from library.checks.projection_rows import BadEvent
    from library.store.offsets import StillOpen, settled_end

    if checkpoints is None and (keys or backup or leaves or writers or successors):
        raise CommandError(
            exits.MALFORMED, "--key, --backup, --leaves, --writers and --successor need --checkpoints"
        )
    if checkpoints is not None and (projection or table_only):
        raise CommandError(
            exits.MALFORMED, "--checkpoints compares no table: give neither --projection nor --table-only"
        )
    try:
        if checkpoints is not None:
            return verify_signed_events(
                settings, checkpoints, keys, backup, leaves, writers, successors, as_json
            )
        check_placement(settings)
        admin = AdminClient(client_config(settings))
        ends = settled_end(settings, events_topic(settings), settings.deadline)
        if projection is not None:
            return _compare_projection(admin, settings, projection, ends, as_json)
        with TemporaryDirectory(prefix="library-verify-") as folder:
            api = None if table_only else _listed(settings, Path(folder))
            return _compare(admin, settings, ends, api, as_json)
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error, creating_topics()) from error
    except (Behind, StillOpen) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except OtherStore as error:
        raise CommandError(
            exits.BAD_DATA,
            f"{error}: delete the changelog topic, `{creating_topics()}`, and start the projector",
        ) from error
    except (WrongTopic, BadEvent) as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error


def _compare(
    admin: Any, settings: "Settings", ends: dict[int, int], api: "Listed | None", as_json: bool
) -> int:
    from foundation.cli.progress import Progress
    from library.checks.inventory_rows import check
    from schemas.tables import current_table
    from schemas.topics import identify

    table = current_table(admin, settings)
    source = identify(admin, settings, table=table).source
    try:
        with Progress("verifying", sum(ends.values()), "records") as progress:
            compared = list(check(settings, table, source, ends, api, progress.show))
    except OSError as error:
        reason = (
            f"the events of a partition can't be put aside in {gettempdir()}: {error}; TMPDIR names another"
        )
        raise CommandError(exits.FAILED, reason) from error
    scope = "table" if api is None else "table and query API"
    return _report(compared, ["isbn", "where"], "titles", scope, {"api": api is not None}, as_json)


def _compare_projection(
    admin: Any, settings: "Settings", projection: "Projection", ends: dict[int, int], as_json: bool
) -> int:
    from foundation.cli.progress import Progress
    from library.checks.projection_rows import check_projection
    from schemas.topics import identify

    source = identify(admin, settings, table=projection.table).source
    with Progress("verifying", sum(ends.values()), "records") as progress:
        compared = list(check_projection(settings, projection, source, ends, progress.show))
    scope = f"the table of {projection.table.group_id(settings)}"
    return _report(compared, ["key"], "rows", scope, {}, as_json)


def _report(
    compared: "list[Checked[Any]]",
    columns: list[str],
    unit: str,
    scope: str,
    more: dict[str, Any],
    as_json: bool,
) -> int:
    """Print the differences and a summary; the exit code."""
    import msgspec

    from eventstore.positions import format_positions
    from foundation.cli.tables import print_rows

    differences = [difference for part in compared for difference in part.differences]
    total, wrong = sum(part.rows for part in compared), len(differences)
    position = format_positions({part.partition: part.following - 1 for part in compared})
    if as_json:
        summary = {unit: total, "differences": wrong, "position": position} | more
        print_rows([], [*msgspec.to_builtins(differences), summary], as_json)
    elif wrong:
        lines = [
            {name: getattr(one, name) for name in columns} | {"difference": one.summary}
            for one in differences
        ]
        print_rows([*columns, "difference"], lines)
        click.echo(f"{wrong:,} differences in {total:,} {unit}, {scope}, at {position}", err=True)
    else:
        click.echo(f"{total:,} {unit} match their events, in {scope}, at {position}", err=True)
    sys.stdout.flush()
    return exits.NOT_FOUND if wrong else exits.DONE


def _listed(settings: "Settings", folder: Path) -> "Listed":
    from foundation.http.client import NoAnswer, Service
    from library.checks.api_listing import listed

    try:
        with Service(settings.api, settings.deadline) as service:
            return listed(service, _page, folder, settings.partitions)
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE, f"{error}: --table-only skips the query API, --api URL names another"
        ) from error
    except OSError as error:
        reason = f"the query API's titles can't be kept in {folder}: {error}; --table-only skips them"
        raise CommandError(exits.FAILED, reason) from error


def _page(service: "Service", route: str, parameters: dict[str, str | None]) -> tuple[dict[str, Any], str]:
    # The cursor of a page of loans has a borrower: proxies keep URLs
    fetch, path = (search_loans, (route, "search")) if route == "loans" else (by_get, (route,))
    answer = fetch(service, path, parameters)
    if answer.status != 200:
        raise CommandError(exits.UNAVAILABLE, f"the query API refused: {answer.detail}")
    return answer.value, answer.headers.get("Inventory-Position", "")
