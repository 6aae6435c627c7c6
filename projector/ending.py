"""Why a worker ends by itself, and the exit code that tells whether a restart helps."""

from foundation.cli import exits
from inventory.row_fold import Gap


class Stale(Exception):
    """The worker and the table disagree about where they are: a restart starts from what is stored."""


class Unrecoverable(Exception):
    """What the table is made from is not, or no longer, what it was: a restart won't mend it."""


class Unavailable(Exception):
    """Kafka does not answer."""


def exit_code(reason: BaseException) -> int:
    """The code for a worker that ended because of ``reason``; BAD_DATA alone means "don't restart"."""
    match reason:
        case Unrecoverable() | Gap():
            return exits.BAD_DATA
        case Unavailable():
            return exits.UNAVAILABLE
        case _:
            return exits.FAILED
