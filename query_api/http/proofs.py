"""Proofs as documents, and the problems that they may have."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from typing import ParamSpec, TypeVar

from eventstore.positions import Position
from eventstore.topics import WrongTopic
from foundation.http.problem import Problem
from query_api.documents import CheckpointDocument, EventDocument, HistoryProof, ProvedEvent
from query_api.following.event_trees import StillReading
from query_api.following.evidence import Evidence, NoCheckpoint, Noted, TooFewEvents
from query_api.following.source import KafkaException, KafkaUnavailable

MAX_PROVED_EVENTS = 100
"""On a page: each is read from Kafka."""

T = TypeVar("T")
P = ParamSpec("P")


async def in_thread(evidence: Evidence, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What ``function`` returns, called in the thread of ``evidence``."""
    call = partial(function, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(evidence.thread, call)


def prove_events(evidence: Evidence, events: Sequence[EventDocument]) -> HistoryProof:
    """The proof of those of a title's events that the newest checkpoint covers. Raises Problem."""
    places = [Position.of(event.position) for event in events]
    partition = places[0].partition if places else 0
    offsets = [place.offset for place in places]
    proof, covered = answered(partition, lambda: evidence.prove(partition, offsets))
    proved = [
        ProvedEvent(event.version, record.index, base64(record.leaf), list(map(base64, record.path)))
        for event, record in zip(events[:covered], proof.records, strict=True)
    ]
    return HistoryProof(proof.checkpoint, proved)


def answered(partition: int | None, ask: Callable[[], T]) -> T:
    """What ``ask`` returns. Raises Problem instead of the errors of Evidence."""
    try:
        return ask()
    except NoCheckpoint as error:
        raise Problem(
            404, "no_checkpoint",
            f"partition {partition} has no checkpoint of the notary: `library notary` signs them",
        ) from error  # fmt: skip
    except TooFewEvents as error:
        raise Problem(404, "too_few_events", str(error)) from error
    except StillReading as error:
        raise Problem(
            503, "not_ready", f"the events of partition {partition} are being read: {error}; try again",
            headers={"Retry-After": "1"},
        ) from error  # fmt: skip
    except (KafkaException, KafkaUnavailable, WrongTopic) as error:
        raise Problem(
            503, "kafka_unavailable", f"the event store can't be read: {error}; try again",
            headers={"Retry-After": "1"},
        ) from error  # fmt: skip


def checkpoint_document(partition: int, noted: Noted) -> CheckpointDocument:
    """The document of a checkpoint."""
    checkpoint = noted.checkpoint
    return CheckpointDocument(
        partition, checkpoint.origin, checkpoint.size, base64(checkpoint.root), noted.note
    )


def base64(data: bytes) -> str:
    """The bytes in base64."""
    return b64encode(data).decode()
