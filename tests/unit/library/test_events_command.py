"""``library events`` ends with its reader, and leaves the consumer group in any case."""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from library.commands.events import _end_with_the_reader


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output with a reader, and the signal handler back afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield
    os.close(reader)
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("output")
def test_a_signal_ends_the_command_but_does_not_interrupt_its_end():
    ending = _end_with_the_reader()
    stop: Any = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        stop(signal.SIGTERM, None)
    assert ended.value.code == 128 + signal.SIGTERM
    ending.set()
    stop(signal.SIGTERM, None)
