"""The product's programs with a short transaction time-out: pauses can exceed it.

``python -m tests.chaos.short_timeouts SECONDS gateway …``, or ``import …``.
"""

import os
import sys

from eventstore.append import catch_up, fence, writer
from foundation.cli.app import run
from producer.cli import program
from producer.gateway.sharing.routing import Router
from tests.chaos.mutants import FORWARDING_MUTANT, FORWARDING_MUTANTS


def patience(seconds: float) -> float:
    """Seconds that writers with this transaction time-out wait for a foreign transaction."""
    return seconds + catch_up.PATIENCE_S - fence.TRANSACTION_TIMEOUT_S


def shorten_timeouts(seconds: float) -> None:
    """Set the transaction time-out in seconds, and make writers save small snapshots too."""
    changed = {
        (catch_up, "PATIENCE_S"): patience(seconds),
        (fence, "TRANSACTION_TIMEOUT_S"): seconds,
        (writer, "SAVE_CLOSING_ENTRIES"): 1,
        (writer, "SAVE_IDLE_ENTRIES"): 100,
    }
    for (module, name), value in changed.items():
        # Setting a name that does not exist would change nothing
        assert hasattr(module, name), name
        setattr(module, name, value)


if __name__ == "__main__":
    shorten_timeouts(float(sys.argv.pop(1)))
    if (mutant := FORWARDING_MUTANTS.get(os.environ.get(FORWARDING_MUTANT, ""))) is not None:
        Router.submit = mutant  # type: ignore[method-assign, assignment]
    run(program, "hurried")
