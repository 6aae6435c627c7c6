"""The way of a command: to the lane of its partition here, or to the gateway that has the partition."""

import asyncio
from asyncio import Future
from hashlib import blake2b
from time import monotonic

from eventstore.partitions import partition_of
from eventstore.state.outcomes import OutcomeUnknown, Receipt, Submitted, Unwritable
from foundation.http.responses import HttpResponse
from producer.gateway.gateway import Gateway
from producer.gateway.responses import render_response
from producer.gateway.sharing.membership import Members
from producer.gateway.sharing.messages import ANSWER_TIMEOUT_S, ForwardedLookUp, forwarded
from producer.gateway.sharing.peers import Peers

MOST_TRIES = 2
"""Gateways that are asked before we execute a command ourselves: its owner, then the owner's substitute."""
REMEMBERED_NOWHERE = (200, 409)
"""Statuses of answers that leave nothing in the log: a later attempt can have another one."""


class Router:
    """Executes commands here or elsewhere. Belongs to the gateway's event loop.

    A command may be executed twice at once, when another gateway is late: its id makes that safe. It does not
    protect a refusal, which leaves nothing in the log: a repeat that is refused must not have overtaken an
    attempt that is accepted afterwards. Attempts of one command therefore take turns.
    """

    def __init__(self, gateway: Gateway, address: str, peers: Peers) -> None:
        self._gateway, self.address, self.peers = gateway, address, peers
        self.members = Members()
        self.informed = False
        """Whether the group was asked once, so that it is known which partitions are to be read."""
        self._all = self._mine = frozenset(range(gateway.settings.partitions))
        self._under_way: dict[str, Future[None]] = {}
        """Ends of commands' attempts, by id."""
        # What a gateway passed on that was here before has expired then
        self._first_since = monotonic() + ANSWER_TIMEOUT_S

    def follow(self, members: Members) -> None:
        """Take over the partitions that the group has assigned, and give up those that it has taken away."""
        self.members, self.informed = members, True
        if members.mine is not None:
            self._mine = members.mine
        else:
            self._mine = frozenset() if members.others else self._all
        self._gateway.own(self._mine)

    async def submit(self, submitted: Submitted) -> HttpResponse:
        """Execute a command where its partition is, after earlier attempts. Raises as ``Gateway.submit``."""
        await self._earlier(submitted.command_id)
        ended = self._under_way[submitted.command_id] = asyncio.get_running_loop().create_future()
        try:
            response = await self._execute(submitted)
            if response.status in REMEMBERED_NOWHERE and await self._outlasts_others():
                response = await self._execute(submitted)
            return response
        finally:
            del self._under_way[submitted.command_id]
            ended.set_result(None)

    async def _earlier(self, command_id: str) -> None:
        """Return when no attempt of this command is under way."""
        while (ended := self._under_way.get(command_id)) is not None:
            await asyncio.wait([ended])

    async def _outlasts_others(self) -> bool:
        """Return once what a gateway before this one passed on has expired; False if that was so already."""
        if (left_s := self._first_since - monotonic()) <= 0:
            return False
        await asyncio.sleep(left_s)
        return True

    async def _execute(self, submitted: Submitted) -> HttpResponse:
        partition = partition_of(submitted.command.isbn, self._gateway.settings.partitions)
        for _ in range(MOST_TRIES):
            if not (address := self.owner_of(partition)):
                break
            answer = await self.peers.ask(address, forwarded(submitted))
            if isinstance(answer, HttpResponse):
                return answer
        outcome = await self._gateway.submit(submitted)
        return render_response(outcome, submitted.command_id, submitted.command.isbn)

    async def look_up(self, command_id: str, isbn: str | None) -> list[Receipt] | Unwritable | OutcomeUnknown:
        """As ``Gateway.look_up``, each partition where it is, after the attempts that are under way here."""
        await self._earlier(command_id)
        receipts = await self._found(command_id, isbn)
        if receipts == [] and await self._outlasts_others():
            receipts = await self._found(command_id, isbn)
        return receipts

    async def _found(self, command_id: str, isbn: str | None) -> list[Receipt] | Unwritable | OutcomeUnknown:
        partitions = self._gateway.settings.partitions
        asked = range(partitions) if isbn is None else [partition_of(isbn, partitions)]
        receipts: list[Receipt] = []
        for found in await asyncio.gather(*(self._look_up(command_id, each) for each in asked)):
            if not isinstance(found, list):
                return found
            receipts += [receipt for receipt in found if isbn in (None, receipt.stream)]
        return receipts

    async def _look_up(self, command_id: str, partition: int) -> list[Receipt] | Unwritable | OutcomeUnknown:
        if address := self.owner_of(partition):
            answer = await self.peers.ask(address, ForwardedLookUp(command_id, partition))
            if isinstance(answer, list):
                return answer
        return await self._gateway.look_up(command_id, partition)

    def partitions_of_others(self) -> dict[str, list[int]]:
        """The other gateways by address, each with its partitions."""
        owners = self.members.owners
        return {
            other: sorted(partition for partition, owner in owners.items() if owner == other)
            for other in sorted(self.members.others)
        }

    def owner_of(self, partition: int) -> str:
        """The address to which commands of ``partition`` go; empty: they are executed here.

        Where nobody has it, or its owner does not answer, all gateways choose the same one of those that
        are left (highest random weight), so that they do not fight for the fence.
        """
        if partition in self._mine:
            return ""
        members = self.members
        owner = members.owners.get(partition)
        if owner is not None and not self.peers.suspects(owner):
            return owner
        left = [each for each in members.others if each != owner and not self.peers.suspects(each)]
        chosen = max([*left, self.address], key=lambda address: _weight(address, partition))
        return "" if chosen == self.address else chosen


def _weight(address: str, partition: int) -> bytes:
    return blake2b(f"{address} {partition}".encode(), digest_size=8).digest()
