"""A follower in the test's own process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foundation.settings import Settings
from query_api.following.follower import Follower
from query_api.following.source import Source
from query_api.replica.progress import Progress


@contextmanager
def following(settings: Settings, notify: Callable[[Progress], None] = lambda _: None) -> Iterator[Follower]:
    """A follower that runs in this process, on the replica in the settings' data directory."""
    folder = Path(settings.data_dir) / "api"
    folder.mkdir(parents=True, exist_ok=True)
    follower = Follower(Source(settings), folder, notify)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def progress(follower: Follower) -> Progress:
    """How far the replica was read."""
    replica = follower.replica
    assert replica is not None
    return replica.progress


def ready(follower: Follower) -> bool:
    """Whether the follower is ready."""
    return follower.ready


def query(follower: Follower, sql: str) -> list[Any]:
    """The rows of a statement on the replica."""
    assert follower.replica is not None
    return follower.replica.connect().execute(sql).fetchall()
