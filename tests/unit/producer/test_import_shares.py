"""One partition of an import before its first row: where the state is kept, and a long log."""

from collections.abc import Callable
from typing import Any

import pytest

from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from foundation.settings import Settings
from producer.imports import appending
from producer.imports.appending import EVENTS_A_ROW, Share, Stopped, _read_log, _writer

STILL_READING = OutcomeUnknown("the log could not be read to its end in time", sent=False)


class FakeSnapshot:
    """A snapshot that includes ``next`` offsets of the log."""

    def __init__(self, next_offset: int) -> None:
        self.next = next_offset

    def load(self) -> "FakeSnapshot":
        return self

    def close(self) -> None:
        pass


class ReadingWriter:
    """A writer that has read its partition, with this result."""

    def __init__(self, result: object) -> None:
        self.result = result

    def check(self, deadline_s: float, urgent: Callable[[], bool]) -> object:
        self.urgent = urgent
        return self.result


@pytest.mark.parametrize(
    ("included", "fits", "uses_snapshot"),
    [
        (0, True, False),
        (EVENTS_A_ROW * 10, True, False),
        # Most titles of the partition are in the snapshot already
        (EVENTS_A_ROW * 10 + 1, True, True),
        (0, False, True),
    ],
)
def test_a_share_uses_a_snapshot_that_spares_more_than_it_costs(
    included: int, fits: bool, uses_snapshot: bool, monkeypatch: pytest.MonkeyPatch
):
    snapshot = FakeSnapshot(included)
    monkeypatch.setattr(appending, "binding", lambda _: "store")
    monkeypatch.setattr(appending, "snapshot_of", lambda *_: snapshot)
    monkeypatch.setattr(appending, "writer_of", lambda _, __, used=None: used)
    used: Any = _writer(Settings(), Share(0, 10, fits))
    assert used is (snapshot if uses_snapshot else None)


@pytest.mark.parametrize("last", [None, Unwritable("a foreign transaction is open")])
def test_an_import_begins_when_the_log_was_read_however_long_that_took(last: object):
    writer: Any = ReadingWriter(last)
    _read_log(writer, 30, lambda: False)
    assert not writer.urgent()


def test_an_import_stops_when_the_log_can_not_be_read():
    writer: Any = ReadingWriter(STILL_READING)
    with pytest.raises(Stopped, match="could not be read") as stopped:
        _read_log(writer, 30, lambda: False)
    assert not stopped.value.begun


def test_an_import_that_is_interrupted_while_it_reads_has_written_nothing():
    writer: Any = ReadingWriter(STILL_READING)
    with pytest.raises(Stopped, match="interrupted") as stopped:
        _read_log(writer, 30, lambda: True)
    assert not stopped.value.begun
