"""An audit that runs in a thread of the test."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from audit.auditor import Auditor
from audit.report import Report
from foundation.settings import Settings
from tests.support.waiting import eventually


class RunningAuditor:
    """An Auditor in a thread, and the time until it finds something."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.auditor, self.found_after_s = Auditor(settings, folder), dict[str, float]()

    @property
    def report(self) -> Report:
        """Its present state."""
        return self.auditor.report

    def until(self, condition: Callable[[Report], object], what: str = "") -> Report:
        """Wait for a state of which the condition holds; note the time that it took as ``what``."""
        begun = time.monotonic()
        report = eventually(lambda: self.report if condition(self.report) else None)
        if what:
            self.found_after_s[what] = round(time.monotonic() - begun, 2)
        return report

    def until_whole(self, rows: int) -> None:
        """Wait until so many rows were compared, and all of them match."""
        self.until(lambda report: report.rows_compared >= rows and not report.trouble)
        assert self.report.differences == 0, self.report.details


@contextmanager
def running(settings: Settings, folder: Path) -> Iterator[RunningAuditor]:
    """An audit that runs while the context is open."""
    running, stop = RunningAuditor(settings, folder), Event()
    thread = Thread(target=running.auditor.run, args=(stop,))
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join()
