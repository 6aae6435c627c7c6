"""Which gateway executes a command: decided from what the group has assigned."""

import asyncio

import pytest

from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, Outcome, Receipt, Submitted
from foundation.http.responses import HttpResponse
from foundation.settings import Settings
from inventory.commands import BorrowBook
from producer.gateway.gateway import Gateway
from producer.gateway.sharing.membership import Members
from producer.gateway.sharing.peers import Answer, Forwarded, Peers, forwarded
from producer.gateway.sharing.routing import Router

HERE, THERE, ELSEWHERE = "http://here", "http://there", "http://elsewhere"
PARTITIONS = 12


class Silent(Peers):
    """Others that do not answer; ``asked`` has their addresses."""

    def __init__(self, *suspects: str, answer: HttpResponse | None = None) -> None:
        super().__init__(Settings())
        self.asked: list[str] = []
        self._suspects, self._answer = set(suspects), answer

    def suspects(self, address: str) -> bool:
        return address in self._suspects

    def ask(self, address: str, partition: int, entry: Forwarded) -> "asyncio.Future[Answer]":
        self.asked.append(address)
        if self._answer is None:
            self._suspects.add(address)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_result(self._answer)
        return future


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
    owners = dict.fromkeys(range(PARTITIONS), THERE)
    asking = router(Members(frozenset(), owners, frozenset({THERE, ELSEWHERE})), Silent(*suspects))
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
    owners = dict.fromkeys(range(PARTITIONS), THERE)
    asking = router(Members(frozenset(), owners, frozenset({THERE})), Silent(answer=answer))
    assert asyncio.run(asking.submit(Submitted("id", command))) == answer


def test_a_command_that_is_passed_on_expires_no_later_than_its_caller_said():
    submitted = Submitted("id", BorrowBook("9781593275846", "ann"), expires_at_ms=5)
    assert forwarded(submitted).expires_at_ms == 5
