"""``POST /commands``: one function, for the fast path and for the documented route."""

import logging
from collections import Counter
from typing import Any

from foundation.http.errors import as_problem
from foundation.http.responses import HttpResponse, render_problem
from foundation.text import Malformed
from inventory.patrons import PatronCommand
from producer.gateway.patrons import PatronEndpoint
from producer.gateway.requests import RequestReader, malformed
from producer.gateway.sharing.routing import Router
from producer.names.boundary import require_no_token

log = logging.getLogger(__name__)


class CommandEndpoint:
    """Answers requests for commands. ``responses`` counts the answers by status."""

    def __init__(
        self, router: Router, requests: RequestReader, responses: Counter[int], patrons: PatronEndpoint
    ) -> None:
        self._router, self._requests, self._responses = router, requests, responses
        self._patrons = patrons

    async def answer(self, scope: Any, receive: Any) -> HttpResponse:
        """Carry out the command in a request; every error is a response, too."""
        try:
            submitted = await self._requests.read(scope, receive)
            if isinstance(submitted.command, PatronCommand):
                response = await self._patrons.carry_out(submitted.command_id, submitted.command)
            else:
                if self._patrons.names is not None:
                    require_no_token(submitted.command)
                response = await self._router.submit(submitted)
        except Exception as error:
            problem = malformed(error) if isinstance(error, Malformed) else as_problem(error)
            if problem.status == 500:
                log.exception("%s %s failed", scope["method"], scope["path"])
            response = render_problem(problem)
        self._responses[response.status] += 1
        return response
