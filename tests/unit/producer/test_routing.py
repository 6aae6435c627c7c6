"""Which gateway executes a command: decided from what the group has assigned."""

import asyncio
from unittest.mock import patch

import pytest

from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, Appended, Outcome, Receipt, Refused, Submitted
from foundation.http.responses import HttpResponse
from foundation.settings import Settings
from inventory.commands import BorrowBook, ReturnBook
from inventory.rules import Rejection
from producer.gateway.gateway import Gateway
from producer.gateway.sharing import routing
from producer.gateway.sharing.membership import Members
from producer.gateway.sharing.messages import ANSWER_TIMEOUT_S, Answer, Forwarded, forwarded
from producer.gateway.sharing.peers import Peers
from producer.gateway.sharing.routing import Router

HERE, THERE, ELSEWHERE = "http://here", "http://there", "http://elsewhere"
PARTITIONS = 12
OF_THE_OTHER = dict.fromkeys(range(PARTITIONS), THERE)


class Silent(Peers):
    """Others that do not answer; ``asked`` has their addresses."""

    def __init__(self, *suspects: str, answer: HttpResponse | None = None) -> None:
        super().__init__(Settings())
        self.asked: list[str] = []
        self._suspects, self._answer = set(suspects), answer

    def suspects(self, address: str) -> bool:
        return address in self._suspects

    async def ask(self, address: str, entry: Forwarded) -> Answer:
        self.asked.append(address)
        if self._answer is None:
            self._suspects.add(address)
        return self._answer


class Local(Gateway):
    """A gateway whose lanes accept everything."""

    def __init__(self) -> None:
        super().__init__(Settings(partitions=PARTITIONS), lambda *_: None)
        self.kept: frozenset[int] = frozenset()

    def own(self, partitions: frozenset[int]) -> None:  # type: ignore[override]
        self.kept = partitions

    async def submit(self, submitted: Submitted) -> Outcome:
        return Accepted(Receipt(submitted.command_id, submitted.command.isbn, (), "0:0"))


def test_its_partitions_are_known_once_the_group_was_asked():
    asking = Router(Local(), HERE, Silent())
    assert not asking.informed
    asking.follow(Members())
    assert asking.informed


def router(members: Members, peers: Peers | None = None, address: str = HERE) -> Router:
    made = Router(Local(), address, peers or Silent())
    # Nothing is left of what a gateway before it passed on
    made._first_since = 0.0
    made.follow(members)
    return made


def test_a_gateway_alone_has_everything_before_the_group_has_assigned_anything():
    alone = router(Members())
    assert alone._gateway.kept == frozenset(range(PARTITIONS))  # type: ignore[attr-defined]
    assert {alone.owner_of(partition) for partition in range(PARTITIONS)} == {""}


def test_a_gateway_that_meets_others_has_nothing_before_the_group_has_assigned_it():
    new = router(Members(None, {0: THERE}, frozenset({THERE})))
    assert new._gateway.kept == frozenset()  # type: ignore[attr-defined]
    assert new.owner_of(0) == THERE


def test_partitions_without_an_owner_go_to_the_same_gateway_whoever_is_asked():
    addresses = {HERE, THERE, ELSEWHERE}
    routers = [
        router(Members(frozenset(), {}, frozenset(addresses - {one})), address=one) for one in addresses
    ]
    for partition in range(PARTITIONS):
        chosen = {one.owner_of(partition) or one.address for one in routers}
        assert len(chosen) == 1


@pytest.mark.parametrize("suspects", [{THERE}, {THERE, ELSEWHERE}])
def test_an_owner_that_does_not_answer_gets_no_command(suspects: set[str]):
    asking = router(Members(frozenset(), OF_THE_OTHER, frozenset({THERE, ELSEWHERE})), Silent(*suspects))
    chosen = {asking.owner_of(partition) for partition in range(PARTITIONS)}
    assert chosen == {"", ELSEWHERE} - suspects


def test_a_command_is_executed_here_after_its_owner_and_the_stand_in_did_not_answer():
    command = BorrowBook("9781593275846", "ann")
    partition = partition_of(command.isbn, PARTITIONS)
    peers = Silent()
    others = frozenset({THERE, ELSEWHERE})
    asking = router(Members(frozenset(), {partition: THERE}, others), peers)
    response = asyncio.run(asking.submit(Submitted("id", command)))
    assert response.status == 200
    assert peers.asked[0] == THERE
    assert len(peers.asked) == len(set(peers.asked)) <= 2


def test_the_answer_of_the_owner_is_passed_on_as_it_is():
    command = BorrowBook("9781593275846", "ann")
    answer = HttpResponse(409, [(b"content-type", b"application/problem+json")], b"{}")
    asking = router(Members(frozenset(), OF_THE_OTHER, frozenset({THERE})), Silent(answer=answer))
    assert asyncio.run(asking.submit(Submitted("id", command))) == answer


def test_a_command_that_is_passed_on_expires_no_later_than_its_caller_said():
    submitted = Submitted("id", BorrowBook("9781593275846", "ann"), expires_at_ms=5)
    assert forwarded(submitted).expires_at_ms == 5


class Slow(Peers):
    """Another gateway that answers when a test says so."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.asked: list[asyncio.Future[Answer]] = []

    async def ask(self, address: str, entry: Forwarded) -> Answer:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]


class Refusing(Local):
    """A gateway that refuses a return until somebody has borrowed the book."""

    def __init__(self) -> None:
        super().__init__()
        self.lent = False

    async def submit(self, submitted: Submitted) -> Outcome:
        events = (Appended("BookReturned", 2),)
        if self.lent:
            return Accepted(Receipt(submitted.command_id, submitted.command.isbn, events, "0:1"))
        return Refused(Rejection("not_on_loan", ""))

    async def look_up(self, command_id: str, partition: int) -> list[Receipt]:
        return [Receipt(command_id, RETURN.isbn, (), "0:1")] if self.lent else []


RETURN = ReturnBook("9781593275846", "ann")


def refusing(peers: Peers) -> tuple[Refusing, Router]:
    """A gateway that has no partition, the other one has all, and its router."""
    gateway = Refusing()
    asking = Router(gateway, HERE, peers)
    asking.follow(Members(frozenset(), OF_THE_OTHER, frozenset({THERE})))
    return gateway, asking


async def pause() -> None:
    """Let everything else go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("takes_over", [False, True])
def test_a_repeat_does_not_overtake_an_attempt_that_waits_for_another_gateway(takes_over: bool):
    async def scene() -> tuple[int, int]:
        gateway, asking = refusing(peers := Slow())
        first = asyncio.create_task(asking.submit(Submitted("id", RETURN)))
        await pause()
        if takes_over:
            asking.follow(Members(frozenset(range(PARTITIONS))))
        repeat = asyncio.create_task(asking.submit(Submitted("id", RETURN)))
        found = asyncio.create_task(asking.look_up("id", RETURN.isbn))
        await pause()
        assert len(peers.asked) == 1
        assert not repeat.done()
        assert not found.done()
        gateway.lent = True
        asking.follow(Members(frozenset(range(PARTITIONS))))
        peers.asked[0].set_result(None)
        assert await found
        return (await first).status, (await repeat).status

    assert asyncio.run(scene()) == (201, 201)


def test_another_command_does_not_wait_for_an_attempt_that_waits():
    async def scene() -> int:
        _, asking = refusing(peers := Slow())
        first = asyncio.create_task(asking.submit(Submitted("id", RETURN)))
        other = asyncio.create_task(asking.submit(Submitted("other", RETURN)))
        await pause()
        peers.asked[1].set_result(HttpResponse(201, [], b"{}"))
        answer = await other
        assert not first.done()
        first.cancel()
        return answer.status

    assert asyncio.run(scene()) == 201


def test_a_new_gateway_decides_a_refused_command_again_when_its_predecessors_have_expired(
    monkeypatch: pytest.MonkeyPatch,
):
    waited = list[float]()
    now = 100.0
    monkeypatch.setattr(routing, "monotonic", lambda: now)

    async def scene() -> list[int]:
        nonlocal now
        gateway, asking = refusing(Slow())
        asking.follow(Members(frozenset(range(PARTITIONS))))
        now += 0.5

        async def sleep(seconds: float) -> None:
            nonlocal now
            waited.append(seconds)
            now += seconds
            # Meanwhile what was passed on is decided
            gateway.lent = True

        with patch.object(asyncio, "sleep", sleep):
            late = await asking.submit(Submitted("id", RETURN))
            gateway.lent = False
            return [late.status, (await asking.submit(Submitted("other", RETURN))).status]

    assert asyncio.run(scene()) == [201, 409]
    assert waited == [ANSWER_TIMEOUT_S - 0.5]
