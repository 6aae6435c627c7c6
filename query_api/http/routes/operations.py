"""How the whole system is: consumer groups, lag, throughput, held titles, readiness."""

import asyncio
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import UNSET, Struct
from msgspec.structs import astuple

from foundation.settings import Settings
from query_api.documents import Count, Isbn, Time, json_of
from query_api.http.audit import AuditOperation, Seconds
from query_api.http.freshness import Reading
from query_api.http.group_health import BROKEN, Health
from query_api.http.operations import INTERVAL_S, Ages, GroupSample, Operations, Sample
from query_api.http.responses import NOT_STORED, json_response, problems
from query_api.http.totals import read_totals
from query_api.queries.pending import HeldTitle, held_titles
from query_api.replica.replica import Replica
from schemas.tables import is_projector_group
from schemas.times import rfc3339

MOST_HELD = 100
RETRY = "library held retry"


class PartitionLag(Struct, frozen=True):
    """The part of a partition that is not handled. ``lag_seconds``: the oldest event's age; null: unknown."""

    partition: Count
    lag: Count
    """Offsets, the markers of transactions included."""
    lag_seconds: Seconds | None


class ReplayProgress(Struct, frozen=True):
    """Offsets that a group has read again, of those since it was set back."""

    done: Count
    total: Count


class GroupOperation(Struct, frozen=True):
    """A consumer group of the event store.

    ``health``: `caught_up`; `behind`, with members that move; `replaying`, after it was set back; or broken:
    `stopped`, events wait and there is no member; `stuck`, members do not move for 30 s in a partition.
    """

    name: str
    health: Health
    broken: bool
    advice: str
    """The first step if it is broken; else empty."""
    members: list[str] | None
    """Null: Kafka did not say."""
    lag: Count
    lag_seconds: Seconds | None
    per_second: Seconds
    """Offsets handled a second."""
    replay: ReplayProgress | None
    partitions: list[PartitionLag]


class ApiOperation(Struct, frozen=True):
    """This query API: its name, whether it is ready, and the events that its answers do not include."""

    instance: str
    ready: bool
    trouble: str | None
    lag: Count
    lag_seconds: Seconds | None
    partitions: list[PartitionLag]


class OtherApiOperation(Struct, frozen=True):
    """Another query API's readiness. ``lag``: offsets that its answers do not include. Null: unknown.

    ``instance`` is its name: behind a proxy several have the same ``url``.
    """

    url: str
    instance: str | None
    ready: bool
    trouble: str
    lag: Count | None


class GatewayOperation(Struct, frozen=True):
    """A gateway's readiness, as this query API sees it, and the partitions that it has."""

    url: str
    ready: bool
    trouble: str
    partitions: list[Count]


class HeldOperation(Struct, frozen=True):
    """A title with an event that can't be applied. ``since`` is the event's time."""

    isbn: Isbn
    title: str
    version: Count
    position: str
    reason: str
    since: Time | None


class HeldTitles(Struct, frozen=True):
    """How many titles are held, some of them, and the command that tries their events again."""

    count: Count
    retry: str
    titles: list[HeldOperation]


class PastSample(Struct, frozen=True):
    """A sample of the last minutes: events read a second; by group, lag, and the oldest event's age."""

    time: Time
    events_per_second: Seconds
    lag: dict[str, Count]
    lag_seconds: dict[str, Seconds | None]


class SystemOperation(Struct, frozen=True):
    """The system, sampled at ``time``, and its samples before that, ``interval_seconds`` apart."""

    time: Time
    interval_seconds: Seconds
    api: ApiOperation
    other_apis: list[OtherApiOperation]
    gateways: list[GatewayOperation]
    groups: list[GroupOperation]
    groups_trouble: str | None
    """Why the groups are unknown; null: they are known."""
    audit: AuditOperation | None
    """Null: the settings name no audit."""
    held: HeldTitles
    events_per_second: Seconds
    history: list[PastSample]


@get("/operations", operation_id="operations", responses=problems(400, 503))
async def show_operations(
    reading: NamedDependency[Reading],
    operations: NamedDependency[Operations],
    settings: NamedDependency[Settings],
) -> Response[SystemOperation]:
    """Consumer groups with their lag in events and seconds, throughput, held titles, readiness."""
    samples, held, count = await asyncio.to_thread(_read, operations, reading.follower.replica)
    now = samples[-1]
    document = SystemOperation(
        time=rfc3339(now.at),
        interval_seconds=INTERVAL_S,
        api=ApiOperation(
            reading.instance,
            reading.follower.ready,
            reading.follower.trouble,
            sum(now.lag.values()),
            oldest(now.lag, now.ages),
            _partitions(now.lag, now.ages),
        ),
        other_apis=[OtherApiOperation(*astuple(each)) for each in now.apis],
        gateways=[GatewayOperation(*astuple(each)) for each in now.gateways],
        groups=[_group(sample, is_projector_group(settings, sample.group.name)) for sample in now.groups],
        groups_trouble=now.kafka_trouble,
        audit=now.audit,
        held=HeldTitles(count, RETRY, [_held(title, reading) for title in held]),
        events_per_second=now.events_per_second,
        history=[_past(sample) for sample in samples],
    )
    return json_response(json_of(document), NOT_STORED)


def _read(operations: Operations, replica: Replica | None) -> tuple[list[Sample], list[HeldTitle], int]:
    if replica is None:
        return operations.samples(), [], 0
    with replica.read() as read:
        return operations.samples(), held_titles(read.db, MOST_HELD), read_totals(read.db).held


def oldest(lag: dict[int, int], ages: Ages) -> float | None:
    """The oldest event's age; None if one in a partition with a lag is unknown."""
    if any(behind and p not in ages for p, behind in lag.items()):
        return None
    return max(ages.values(), default=0.0)


def _partitions(lag: dict[int, int], ages: Ages) -> list[PartitionLag]:
    return [PartitionLag(p, behind, ages.get(p)) for p, behind in sorted(lag.items())]


def _group(sample: GroupSample, is_projector: bool) -> GroupOperation:
    group, tracked = sample.group, sample.track
    replay = tracked.replay
    return GroupOperation(
        name=group.name,
        health=sample.health,
        broken=sample.health in BROKEN,
        advice=_advice(sample, is_projector),
        members=group.members,
        lag=sum(group.lag.values()),
        lag_seconds=oldest(group.lag, sample.ages),
        per_second=tracked.rate,
        replay=None if replay is None else ReplayProgress(replay.done, replay.total),
        partitions=_partitions(group.lag, sample.ages),
    )


def _advice(sample: GroupSample, is_projector: bool) -> str:
    match sample.health:
        case "stopped":
            return (
                "no projector runs: `library status` shows why, `library start projector` starts it"
                if is_projector
                else "no reader of this group runs: start its program"
            )
        case "stuck":
            return (
                "a partition makes no progress: `library doctor` shows why"
                if is_projector
                else "a partition makes no progress: see the log of the group's program"
            )
        case _:
            return ""


def _held(held: HeldTitle, reading: Reading) -> HeldOperation:
    title = held.title
    assert title.held is not UNSET
    return HeldOperation(
        title.isbn,
        title.title,
        title.held.version,
        f"{reading.partition_of(title.isbn)}:{title.held.offset}",
        title.held.reason,
        None if held.at is None else rfc3339(held.at),
    )


def _past(sample: Sample) -> PastSample:
    return PastSample(
        rfc3339(sample.at),
        sample.events_per_second,
        {each.group.name: sum(each.group.lag.values()) for each in sample.groups},
        {each.group.name: oldest(each.group.lag, each.ages) for each in sample.groups},
    )


routes: list[Any] = [show_operations]
