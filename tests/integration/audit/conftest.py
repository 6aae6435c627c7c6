"""Systems whose projector is a writer in the test, and audits of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from audit import session
from audit.session import Session, subject_of
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import identify
from tests.support.query_api.store_writer import StoreWriter


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A system of two partitions."""
    return new_settings(partitions=2)


@pytest.fixture
def writer(settings: Settings) -> StoreWriter:
    """Writes events and rows."""
    return StoreWriter(settings, identify(AdminClient(client_config(settings)), settings))


@pytest.fixture
def open_session(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Session]]:
    """Begins an audit of all partitions, which asks a quiet Kafka more often than others do."""
    monkeypatch.setitem(session._READING, "fetch.wait.max.ms", 50)
    monkeypatch.setattr(session, "IDLE_WAIT_S", 0.05)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Session(settings, subject_of(settings), tmp_path, None))
