"""The way of a command: to the lane of its partition here, or to the gateway that has the partition."""

import asyncio
from hashlib import blake2b

from eventstore.partitions import partition_of
from eventstore.state.outcomes import OutcomeUnknown, Receipt, Submitted, Unwritable
from foundation.http.responses import HttpResponse
from producer.gateway.gateway import Gateway
from producer.gateway.responses import render_response
from producer.gateway.sharing.membership import Members
from producer.gateway.sharing.peers import ForwardedLookUp, Peers, forwarded

MOST_TRIES = 2
"""Gateways that are asked before we execute a command ourselves: its owner, then the owner's substitute."""


class Router:
    """Executes commands here or elsewhere. Belongs to the gateway's event loop.

    A command may be executed twice at once, when another gateway is late: its id makes that safe.
    """

    def __init__(self, gateway: Gateway, address: str, peers: Peers) -> None:
        self._gateway, self.address, self.peers = gateway, address, peers
        self.members = Members()
        self.informed = False
        """Whether the group was asked once, so that it is known which partitions are to be read."""
        self._all = self._mine = frozenset(range(gateway.settings.partitions))

    def follow(self, members: Members) -> None:
        """Take over the partitions that the group has assigned, and give up those that it has taken away."""
        self.members, self.informed = members, True
        if members.mine is not None:
            self._mine = members.mine
        else:
            self._mine = frozenset() if members.others else self._all
        self._gateway.own(self._mine)

    async def submit(self, submitted: Submitted) -> HttpResponse:
        """Execute a command where its partition is. Raises as ``Gateway.submit``."""
        partition = partition_of(submitted.command.isbn, self._gateway.settings.partitions)
        for _ in range(MOST_TRIES):
            if not (address := self.owner_of(partition)):
                break
            answer = await self.peers.ask(address, partition, forwarded(submitted))
            if isinstance(answer, HttpResponse):
                return answer
        outcome = await self._gateway.submit(submitted)
        return render_response(outcome, submitted.command_id, submitted.command.isbn)

    async def look_up(self, command_id: str, isbn: str | None) -> list[Receipt] | Unwritable | OutcomeUnknown:
        """As ``Gateway.look_up``, each partition where it is."""
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
            answer = await self.peers.ask(address, partition, ForwardedLookUp(command_id, partition))
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
