"""``library patron proof``: where a forgotten user id still is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings

MOST_SHOWN = 20
"""Places of a kind that are listed."""


@click.command()
@click.argument("token")
@click.option("--user", required=True, metavar="USER", help="The user id to look for.")
@click.option(
    "--files",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also the bytes of all files below DIR, for example a broker's. May be given once for each broker.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON, without USER.")
@with_settings("kafka", "name", "api", "data_dir", "deadline")
def proof(settings: "Settings", token: str, user: str, folders: tuple[Path, ...], as_json: bool) -> int:
    """Look for USER, whose token was TOKEN, in all topics, files and query APIs of this store.

    Topics are read with aborted records, and searched for USER as it is, in UTF-16, hexadecimal and base64,
    as are the files below the data directory and each --files. No digest of a command may be one of USER. The
    state is: pending, while a name is left; gone here, if some of the brokers' files were not looked at; gone
    on all N brokers. Ends with 4 while pending.
    """
    from confluent_kafka import KafkaException

    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable
    from library.commands.patron_queries import names_now
    from schemas.patrons import is_token

    if not is_token(token):
        raise CommandError(exits.MALFORMED, "TOKEN is p~ and 16 characters, as events have it")
    try:
        with names_now(settings) as names:
            named = names.directory.user_of(token) is not None
            other = names.directory.token_of(user)
        report = _search(settings, token, user, folders)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    except KafkaUnavailable as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    if named:
        report["found"].insert(0, {"place": f"{settings.name}.names", "form": "the token still has a name"})
        report["state"] = "pending"
    if other not in (None, token):
        report["besides"].append("USER is registered again, with another token: that name is found, too")
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(report)
    return exits.NOT_FOUND if report["state"] == "pending" else exits.DONE


def _search(settings: "Settings", token: str, user: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """What was found where, and what was not looked at. Raises KafkaException, KafkaUnavailable."""
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from library.store.digests_of_user import traces_in_digests
    from library.store.traces_of_user import Trace, traces_in_files, traces_in_topic

    admin = AdminClient(client_config(settings))
    brokers = len(admin.list_topics(timeout=settings.deadline).brokers)
    topics = sorted(
        name for name in admin.list_topics(timeout=settings.deadline).topics if _is_ours(settings, name)
    )
    found: list[Trace] = []
    unseen: list[str] = []
    for topic in topics:
        found += traces_in_topic(settings, topic, user)
    found += traces_in_digests(settings, token, user)
    data_dir = Path(settings.data_dir)
    own = [data_dir] if data_dir.is_dir() else []
    searched = list(dict.fromkeys(folder.resolve() for folder in [*own, *folders]))
    for folder in searched:
        found += traces_in_files(folder, user, unseen)
    homes = {meta.parent for folder in searched for meta in folder.rglob("meta.properties")}
    seen_brokers = min(brokers, len({_node(home) for home in homes}))
    if seen_brokers < brokers:
        unseen.append(
            f"the files of {brokers - seen_brokers} of {brokers} brokers: run it there with --files"
        )
    found += _asked(settings, token, unseen)
    unseen.append("names backups, and copies that others made: pipes, own groups, logs of proxies")
    state = (
        "pending"
        if found
        else f"gone on all {brokers} brokers"
        if seen_brokers == brokers and len(unseen) == 1
        else "gone here"
    )
    return {
        "state": state,
        "patron": token,
        "found": [trace._asdict() for trace in found],
        "topics": topics,
        "folders": [str(folder) for folder in searched],
        "not_looked_at": unseen,
        "besides": [],
    }


def _is_ours(settings: "Settings", topic: str) -> bool:
    return topic.startswith((f"{settings.name}.", f"{settings.name}-"))


def _node(home: Path) -> str:
    """The id of the broker whose data are in ``home``, as its meta.properties says."""
    lines = (home / "meta.properties").read_text("utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.startswith("node.id=")), str(home))


def _asked(settings: "Settings", token: str, unseen: list[str]) -> "list[Any]":
    """A trace for each query API that still shows the patron; those that don't answer are ``unseen``."""
    from foundation.http.client import NoAnswer, Service
    from library.store.traces_of_user import Trace

    try:
        with Service(settings.api, settings.deadline) as service:
            answer = service.get(("patrons", token), {})
    except NoAnswer as error:
        unseen.append(f"the query API: {error}")
        return []
    if answer.status == 200:
        return [Trace(settings.api, "the query API still shows the name")]
    if answer.status != 404:
        unseen.append(f"the query API at {settings.api}: {answer.detail}")
    return []


def _print(report: dict[str, Any]) -> None:
    click.echo(report["state"])
    for trace in report["found"][:MOST_SHOWN]:
        click.echo(f"  found in {trace['place']}: {trace['form']}")
    if (more := len(report["found"]) - MOST_SHOWN) > 0:
        click.echo(f"  and in {more:,} other places")
    click.echo(f"  searched: {', '.join([*report['topics'], *report['folders']])}")
    for what in (*report["besides"], *(f"not looked at: {place}" for place in report["not_looked_at"])):
        click.echo(f"  {what}")
