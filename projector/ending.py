"""The exit code of a worker that ends by itself. It says whether a restart helps."""

from foundation.cli import exits
from projector.batched_faust.errors import Unrecoverable
from projector.projection import Discontinuous


def exit_code(reason: BaseException) -> int:
    """BAD_DATA means that the supervisor must not restart the worker; any other code that it may."""
    return exits.BAD_DATA if isinstance(reason, Unrecoverable | Discontinuous) else exits.FAILED
