"""The life of a second table: started, switched to and back, dropped. Each step can be repeated."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from eventstore.groups import delete_group
from eventstore.topics import events_topic
from foundation.http.client import NoAnswer
from foundation.http.readiness import read_readiness
from foundation.kafka_clients import client_config
from library.checks.comparison import Behind
from library.store.groups import group_names, wait_until_empty
from library.store.offsets import committed, settled_end
from library.system.control import NotAnswering, NotRunning, connected
from library.tables.difference import compare_tables
from library.tables.record import change_tables
from schemas.tables import Tables, inventory_table, read_tables
from schemas.topics import check_topics, ensure_topics

if TYPE_CHECKING:
    from foundation.settings import Settings

CATCH_UP_S = 5.0
"""A table that follows the events reaches their present end within this time."""
SESSION_S = 30.0
"""Workers of a dropped table leave their group within this time."""
START_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.05
_REQUEST_TIMEOUT_S = 10.0


class Refused(Exception):
    """The step can't be taken now; the message says why, and what to do."""


def start(settings: "Settings", workers: int) -> tuple[Tables, list[dict[str, Any]] | None]:
    """Begin to compute a second table from the first event, or continue after an interrupted start.

    Returns the tables and the supervisor's projectors; None: no system runs here, and the caller starts
    workers. Raises Refused, NotChanged, RequestRefused, WrongTopic, and Kafka's errors.
    """
    admin = AdminClient(client_config(settings))
    # A misspelt name of the system must not make another one
    check_topics(admin, settings, tables=[])

    def decide(now: Tables) -> Tables:
        if now.rebuilt:
            return now
        if now.other:
            raise Refused(
                f"table {now.other}, from which answers came before, still exists: `library rebuild drop` "
                "frees it"
            )
        number = now.newest + 1
        return replace(now, other=number, newest=number, started_at=int(time.time() * 1000))

    tables = change_tables(settings, decide)
    ensure_topics(admin, settings, tables=[inventory_table(tables.rebuilt)])
    return tables, follow_tables(settings, workers)


def follow_tables(settings: "Settings", workers: int = 0) -> list[dict[str, Any]] | None:
    """Let the supervisor start and stop projectors as the tables require; None: none runs here.

    ``workers``: of a table beside the first; 0: as many as of that. Raises NotAnswering, RequestRefused.
    """
    try:
        with connected(Path(settings.data_dir), START_TIMEOUT_S) as control:
            processes: list[dict[str, Any]] = control.request("tables", str(workers))["processes"]
            return processes
    except NotAnswering:
        raise
    except NotRunning:
        return None


def objections(settings: "Settings", tables: Tables, target: int) -> list[str]:
    """Why answers should not come from the table ``target``: it is behind, or held titles differ.

    Raises StillOpen, and as ``read_partition``.
    """
    topic = events_topic(settings)
    ends = settled_end(settings, topic, settings.deadline)
    group, give_up = inventory_table(target).group_id(settings), time.monotonic() + CATCH_UP_S
    while left := _left(committed(settings, topic, group), ends):
        if time.monotonic() > give_up:
            # Rows of another position can't be compared
            return [f"table {target} is {left:,} records behind; `library rebuild status` shows its progress"]
        time.sleep(POLL_INTERVAL_S)
    one, other = inventory_table(tables.current), inventory_table(target)
    found = []
    try:
        for compared in compare_tables(settings, one, other, ends, None, lambda _: None):
            found += [difference.isbn for difference in compared.differences if difference.holds]
    except Behind as error:
        return [str(error)]
    if found:
        some = ", ".join(found[:3]) + (" …" if len(found) > 3 else "")
        return [
            f"{len(found):,} titles are held in one table and not in the other ({some}); "
            "`library rebuild diff` lists them"
        ]
    return []


def _left(offsets: dict[int, int], ends: dict[int, int]) -> int:
    return sum(max(0, end - offsets.get(partition, 0)) for partition, end in ends.items())


def switch(settings: "Settings", target: int) -> Tables:
    """Let answers come from the table ``target``. Raises Refused, NotChanged, and Kafka's errors."""

    def decide(now: Tables) -> Tables:
        if now.current == target:
            return now
        if now.other != target:
            raise Refused(f"there is no table {target} any more: another command has dropped it")
        return replace(now, current=target, other=now.current)

    return change_tables(settings, decide)


def answering_table(settings: "Settings") -> int | None:
    """The table that the query API in the settings answers from; None: it does not say."""
    try:
        _, report = read_readiness(settings.api, 2.0)
    except NoAnswer:
        return None
    table = report.get("table")
    return table if isinstance(table, int) else None


def wait_for_api(settings: "Settings", target: int) -> int | None:
    """The table that the query API in the settings answers from, once it is ``target``.

    After the deadline another one. None at once if it does not answer.
    """
    give_up = time.monotonic() + settings.deadline
    while (found := answering_table(settings)) not in (target, None) and time.monotonic() < give_up:
        time.sleep(POLL_INTERVAL_S)
    return found


def drop(settings: "Settings") -> list[int]:
    """Remove every table but the current one, with topics, groups, and files of this machine.

    Returns the numbers of the removed tables. Raises Refused, NotChanged, GroupActive, RequestRefused, and
    Kafka's errors; it continues when it is repeated.
    """
    admin = AdminClient(client_config(settings))
    tables = read_tables(admin, settings)
    if tables.other and answering_table(settings) == tables.other:
        raise Refused(
            f"the query API at {settings.api} still answers from table {tables.other}: wait until it has "
            "changed, `library rebuild status` shows it"
        )

    def decide(now: Tables) -> Tables:
        if now.current != tables.current:
            raise Refused("another command has switched the tables: look at `library rebuild status`")
        return replace(now, other=0)

    if tables.other:
        tables = change_tables(settings, decide)
    follow_tables(settings)
    removed = _leftovers(admin, settings, tables)
    for number in removed:
        _remove(admin, settings, number)
    return removed


def _leftovers(admin: AdminClient, settings: "Settings", tables: Tables) -> list[int]:
    """The tables that are not in the record any more, but still have a topic or a group."""
    names = {*admin.list_topics(timeout=_REQUEST_TIMEOUT_S).topics, *group_names(admin)}
    return [
        number
        for number in range(1, tables.newest + 1)
        if number not in tables.numbers
        and names & {inventory_table(number).changelog(settings), inventory_table(number).group_id(settings)}
    ]


def _remove(admin: AdminClient, settings: "Settings", number: int) -> None:
    table = inventory_table(number)
    group, topic = table.group_id(settings), table.changelog(settings)
    wait_until_empty(settings, group, SESSION_S)
    for folder in Path(settings.data_dir).glob(f"{table.group}-*"):
        if folder.is_dir() and folder.name.removeprefix(f"{table.group}-").isdecimal():
            shutil.rmtree(folder)
    delete_group(settings, group, _REQUEST_TIMEOUT_S)
    try:
        admin.delete_topics([topic], request_timeout=_REQUEST_TIMEOUT_S)[topic].result()
    except KafkaException as error:
        # An interrupted drop has done it already
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
