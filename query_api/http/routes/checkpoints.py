"""The signed checkpoints of the event store, and proofs that later ones continue earlier ones."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from foundation.http.problem import Problem
from query_api.documents import CheckpointDocument, Checkpoints, Consistency, json_of
from query_api.following.evidence import Evidence, Noted
from query_api.http.freshness import Reading
from query_api.http.proofs import answered, base64, checkpoint_document, in_thread
from query_api.http.responses import CACHED, json_response, problems

Partition = Annotated[int, PathParameter(ge=0, le=2**31 - 1, description="A partition of the event store.")]
First = Annotated[
    int, QueryParameter(name="from", ge=0, le=2**53, description="Events of the earlier checkpoint.")
]
Second = Annotated[
    int | None,
    QueryParameter(
        ge=0, le=2**53, description="Events of the later checkpoint. Left out: those of the newest one."
    ),
]


@get("/checkpoints", operation_id="list_checkpoints", responses=problems(503))
async def list_checkpoints(evidence: NamedDependency[Evidence]) -> Response[Checkpoints]:
    """The newest checkpoint of each partition. The signatures were not checked here."""
    newest = await in_thread(evidence, _newest, evidence, None)
    items = [checkpoint_document(partition, noted) for partition, noted in newest.items()]
    return json_response(json_of(Checkpoints(items)), CACHED)


@get("/checkpoints/{partition:int}", operation_id="get_checkpoint", responses=problems(400, 404, 503))
async def get_checkpoint(
    reading: NamedDependency[Reading], evidence: NamedDependency[Evidence], partition: Partition
) -> Response[CheckpointDocument]:
    """The newest checkpoint of a partition."""
    reading.check_partitions({partition: 0})
    newest = await in_thread(evidence, _newest, evidence, partition)
    return json_response(json_of(checkpoint_document(partition, newest[partition])), CACHED)


@get(
    "/checkpoints/{partition:int}/consistency", operation_id="get_consistency",
    responses=problems(400, 404, 503),
)  # fmt: skip
async def get_consistency(
    reading: NamedDependency[Reading],
    evidence: NamedDependency[Evidence],
    partition: Partition,
    from_: First = 0,
    to: Second = None,
) -> Response[Consistency]:
    """The proof that the first `from` events of a partition are the beginning of its first `to` events."""
    reading.check_partitions({partition: 0})
    found = await in_thread(evidence, _consistency, evidence, partition, from_, to)
    return json_response(json_of(found), CACHED)


def _consistency(evidence: Evidence, partition: int, first: int, second: int | None) -> Consistency:
    """The proof. Raises Problem."""
    if second is None:
        second = _newest(evidence, partition)[partition].checkpoint.size
    if first > second:
        raise Problem(400, "bad_range", f"from is {first}, which is more than {second}")
    path = answered(partition, lambda: evidence.consistency(partition, first, second))
    return Consistency(partition, first, second, list(map(base64, path)))


def _newest(evidence: Evidence, partition: int | None) -> dict[int, Noted]:
    """The newest checkpoints. Raises Problem, also if ``partition`` has none."""
    newest = answered(partition, evidence.checkpoints)
    if partition is not None and partition not in newest:
        raise Problem(
            404, "no_checkpoint",
            f"partition {partition} has no checkpoint of the notary: `library notary` signs them",
        )  # fmt: skip
    return newest


routes: list[Any] = [list_checkpoints, get_checkpoint, get_consistency]
