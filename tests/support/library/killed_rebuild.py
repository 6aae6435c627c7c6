"""`library rebuild` that kills itself at a named point, the first argument."""

import os
import signal
import sys
from typing import Any

from confluent_kafka.admin import AdminClient

from library.cli import main
from library.tables import lifecycle

PLACES: dict[str, tuple[Any, str, bool]] = {
    "before-record": (lifecycle, "change_tables", False),
    "after-record": (lifecycle, "change_tables", True),
    "after-topics": (lifecycle, "ensure_topics", True),
    "before-removal": (lifecycle, "_remove", False),
    "half-removed": (AdminClient, "delete_topics", False),
}
"""By point: where a function is, its name, and whether it is called before the end."""


def die_at(point: str) -> None:
    """Let this process kill itself there."""
    owner, name, after = PLACES[point]
    original = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> None:
        if after:
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


if __name__ == "__main__":
    die_at(sys.argv.pop(1))
    main()
