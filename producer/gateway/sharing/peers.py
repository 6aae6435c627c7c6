"""The other gateways: how a command gets to one of them, and which do not answer at present."""

from time import monotonic

from foundation.settings import Settings
from producer.gateway.sharing.link import Link
from producer.gateway.sharing.messages import Answer, Forwarded, greeting

SUSPECT_S = 3.0
"""For which a gateway that did not answer gets nothing more."""


class Peers:
    """The other gateways of the store. All methods belong to one event loop; ``close`` ends it."""

    def __init__(self, settings: Settings) -> None:
        self._greeting = greeting(settings)
        self._links: dict[str, Link] = {}
        self._suspect_until: dict[str, float] = {}
        self.forwarded = 0
        """Entries that were passed on to others."""
        self.unanswered = 0
        """Of them, those that came back without an answer."""

    async def ask(self, address: str, entry: Forwarded) -> Answer:
        """The answer of the gateway at ``address``; None if it gave none."""
        self.forwarded += 1
        answer = await self._link(address).ask(entry)
        if answer is None:
            self.unanswered += 1
        return answer

    def suspects(self, address: str) -> bool:
        """Whether the gateway did not answer a moment ago."""
        return self._suspect_until.get(address, 0.0) > monotonic()

    def close(self) -> None:
        """End all connections."""
        for link in self._links.values():
            link.close()

    def _link(self, address: str) -> Link:
        link = self._links.get(address)
        if link is not None and link.stale:
            link.close()
            link = None
        if link is None:
            link = self._links[address] = Link(
                address, self._greeting, trouble=lambda: self._suspect(address), ended=self._forget
            )
        return link

    def _suspect(self, address: str) -> None:
        now = monotonic()
        # A gateway that starts again has another address
        recent = {each: until for each, until in self._suspect_until.items() if until > now}
        self._suspect_until = recent | {address: now + SUSPECT_S}

    def _forget(self, link: Link) -> None:
        if self._links.get(link.address) is link:
            del self._links[link.address]
