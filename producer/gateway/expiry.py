"""The time from which a gateway does not begin to decide a command.

A refusal leaves nothing in the log. A caller that gives a command up at one gateway and has it refused by
another must know that the first one can't accept it any more, even if it was frozen, or if the network
delivers the request late. A time-out that counts from the arrival does not help against a late arrival. The
caller therefore asks the gateway for its time before it sends the command, and says by the gateway's own
clock when the command expires.
"""

from foundation.text import Malformed
from schemas.times import BadTime, parse_time, rfc3339

EXPIRY_HEADER = "Expiry-Time"
TIME_PATH = "/time"
CLOCKS_APART_S = 0.5
"""By which the clocks of a store's gateways may differ: another one may execute the command."""


def parse_expiry(value: str) -> int:
    """The header's value in ms since 1970, UTC. Raises Malformed."""
    try:
        return parse_time(value)
    except BadTime as error:
        raise Malformed(EXPIRY_HEADER, str(error)) from error


def expiry_after(time: str, seconds: float) -> str:
    """The header's value: ``seconds`` after a gateway's time. Raises BadTime if ``time`` is none."""
    return rfc3339(parse_time(time) + int(1000 * seconds))
