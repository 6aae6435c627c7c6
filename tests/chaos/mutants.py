"""Writers with one step of the protocol left out, gateways that forward wrongly, erasures without a step.

The checker must catch each of them.

They are made here, by replacing methods, so that the product has no switch that could be left on.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import msgspec
from confluent_kafka import Producer

from eventstore.append.deadline import Deadline
from eventstore.append.fence import Fence, Record
from eventstore.append.writer import Writer
from eventstore.errors import ClaimLost
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, Outcome, Receipt, Submitted
from eventstore.state.write_state import AcceptedCommand, WriteState
from foundation.http.responses import HttpResponse
from producer.gateway.responses import render_response
from producer.gateway.sharing.messages import forwarded
from producer.gateway.sharing.routing import Router
from producer.names.loans import LoansOwner


class NoFence(Writer):
    """Appends with a plain idempotent producer, which nobody can fence."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.fence = _Plain(self.settings, self.partition)

    def _deliver(self, state: WriteState, records: Sequence[Record], deadline: Deadline) -> None:
        offsets = self.fence.deliver(records, deadline)
        # Without transactions no end mark follows
        state.next = offsets[0] - 1


class _Plain(Fence):
    def claim(self, deadline: Deadline) -> None:
        self.prepare(deadline)
        self._owner, self._spare = Producer(_without_transactions(self._config)), None

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[int]:
        offsets: list[int] = []
        assert self._owner is not None
        for record in records:
            self._owner.produce(
                self._topic,
                record.value,
                record.key,
                self._partition,
                on_delivery=lambda _, message: offsets.append(message.offset()),
                timestamp=record.timestamp,
                headers=list(record.headers),
            )
        if self._owner.flush(deadline.left()) or not offsets:
            raise ClaimLost("not delivered")
        return offsets

    def commit(self, deadline: Deadline) -> None:
        pass


def _without_transactions(config: dict[str, object]) -> dict[str, object]:
    plain = {name: value for name, value in config.items() if not name.startswith("transaction")}
    return plain | {"enable.idempotence": True}


class NoReadAgain(Writer):
    """Reads the log's end after it was fenced, but not the events that were added."""

    def _read(self, state: WriteState, deadline: Deadline) -> None:
        seen = WriteState(self._decider, checkpoint=state.checkpoint)
        super()._read(seen, deadline)
        state.next, state.last, state.time = seen.next, seen.last, seen.time


class NoProof(Writer):
    """Refuses commands without proof."""

    def _prove(self, deadline: Deadline) -> None:
        pass


class NoLookUp(Writer):
    """Decides an accepted command again."""

    def _own(self, deadline: Deadline) -> None:
        super()._own(deadline)
        if self.state is not None:
            self.state.__class__ = _Forgetful


class _Forgetful(WriteState):
    def accepted(self, command_id: str) -> tuple[AcceptedCommand, ...]:
        return ()


class NoOffsetCheck(Writer):
    """Trusts the stable end, and any delivered offset."""

    def _read(self, state: WriteState, deadline: Deadline) -> None:
        self.catch_up.advance(state, deadline, lambda: None)

    def _deliver(self, state: WriteState, records: Sequence[Record], deadline: Deadline) -> None:
        self.fence.deliver(records, deadline)


class NeverExpires(Writer):
    """Decides a command after its time, when whoever sent it has turned to another writer."""

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        unlimited = [msgspec.structs.replace(one, expires_at_ms=None) for one in submitted]
        return super().execute(unlimited, deadline_s)


MUTANTS: dict[str, Callable[..., Writer]] = {
    "no fence": NoFence,
    "no re-read": NoReadAgain,
    "no barrier": NoProof,
    "no id look-up": NoLookUp,
    "no offset check": NoOffsetCheck,
    "no expiry": NeverExpires,
}
SCRIPTED_ONLY = frozenset({"no expiry", "no claim of each fence", "forwarding overtakes"})
"""In random chaos a command seldom waits in a frozen gateway for longer than its time, a writer seldom keeps
a partition while somebody is forgotten, and a repeat seldom meets another state than what it has overtaken.
"""


def _read_only(self: LoansOwner, deadline_s: float) -> set[str]:
    """Reads the loans of a partition without claiming it: a writer may lend meanwhile."""
    return self._come_near(Deadline(deadline_s)).isbns


def _read_no_names(*_: object) -> None:
    """Claims a partition without reading the names anew: its writer does not see who is being forgotten."""


NAMES_MUTANTS: dict[str, tuple[type, str, Callable[..., object]]] = {
    "no claim of each fence": (LoansOwner, "claim_and_read", _read_only),
    "no names after a claim": (Writer, "_before_reading", _read_no_names),
}


def names_mutant(name: str) -> AbstractContextManager[object]:
    """Leave the step out that the mutant is named for; any other name changes nothing."""
    return patch.object(*NAMES_MUTANTS[name]) if name in NAMES_MUTANTS else nullcontext()


FORWARDING_MUTANT = "LIBRARY_TEST_FORWARDING_MUTANT"
"""Variable with the name of a mutant, for gateways."""


async def _forward_twice(router: Router, submitted: Submitted) -> HttpResponse:
    """Executes a command that another gateway did not answer under another id."""
    if (answer := await _forwarded(router, submitted)) is not None:
        return answer
    again = msgspec.structs.replace(submitted, command_id=f"{submitted.command_id}-again")
    outcome = await router._gateway.submit(again)
    return render_response(outcome, submitted.command_id, submitted.command.isbn)


async def _forward_blindly(router: Router, submitted: Submitted) -> HttpResponse:
    """Acknowledges a command that another gateway did not answer."""
    if (answer := await _forwarded(router, submitted)) is not None:
        return answer
    if router.owner_of(_partition(router, submitted)):
        receipt = Receipt(submitted.command_id, submitted.command.isbn, (), "0:0")
        return render_response(Accepted(receipt), submitted.command_id, submitted.command.isbn)
    outcome = await router._gateway.submit(submitted)
    return render_response(outcome, submitted.command_id, submitted.command.isbn)


async def _forward_in_any_order(router: Router, submitted: Submitted) -> HttpResponse:
    """Lets a repeat overtake an attempt that waits for another gateway."""
    return await router._execute(submitted)


async def _forwarded(router: Router, submitted: Submitted) -> HttpResponse | None:
    partition = _partition(router, submitted)
    address = router.owner_of(partition)
    if not address:
        return None
    answer = await router.peers.ask(address, forwarded(submitted))
    return answer if isinstance(answer, HttpResponse) else None


def _partition(router: Router, submitted: Submitted) -> int:
    return partition_of(submitted.command.isbn, router._gateway.settings.partitions)


FORWARDING_MUTANTS: dict[str, Callable[[Router, Submitted], Awaitable[HttpResponse]]] = {
    "forwarding doubles": _forward_twice,
    "forwarding loses": _forward_blindly,
    "forwarding overtakes": _forward_in_any_order,
}
