"""Commands about borrowers: they belong to no title, so that no lane carries them out."""

import asyncio

from foundation.http.problem import Problem
from foundation.http.responses import HttpResponse
from foundation.kafka_clients import KafkaUnavailable
from inventory.patrons import PatronCommand
from producer.gateway.gateway import Gateway
from producer.gateway.patron_responses import NO_NAMES, NoNames, render_patron
from producer.gateway.responses import RETRY_LATER, STOPPING, UNAVAILABLE
from producer.names.boundary import require_no_token
from producer.names.forgetting import carry_out
from producer.names.names import Names


class PatronEndpoint:
    """Carries out commands about borrowers, one after the other."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._turn = gateway, asyncio.Lock()

    @property
    def names(self) -> Names | None:
        """As ``Gateway.names``."""
        return self._gateway.names

    async def carry_out(self, command_id: str, command: PatronCommand) -> HttpResponse:
        """The response to the command. Raises Problem, and Malformed for a user id that looks like a token.

        Repeating any of them has no second effect, whatever its id is.
        """
        require_no_token(command)
        if self._gateway.stopping:
            detail = "nothing was done, the gateway is stopping: try again"
            raise Problem(503, STOPPING, detail, headers=RETRY_LATER)
        try:
            names = self.names or await asyncio.to_thread(self._gateway.ask_for_names)
        except KafkaUnavailable as error:
            raise Problem(503, UNAVAILABLE, str(error), headers=RETRY_LATER) from error
        if names is None:
            raise Problem(409, NO_NAMES, str(NoNames()))
        async with self._turn:
            deadline_s = self._gateway.settings.deadline
            return render_patron(command_id, await asyncio.to_thread(carry_out, names, command, deadline_s))
