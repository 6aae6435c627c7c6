"""A thousand changes a second and more, in a library of 200,000 titles: the page goes on.

The changes go through the log: written to the event store, folded by the projector, sent by the query API.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page, expect

from schemas.events import BookAdded, CopiesAdded
from tests.page.stock import isbn_of, settings_of
from tests.support.library.event_writer import write_events
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

Visit = Callable[..., Page]
TITLES = 200_000
TITLES_A_WRITE = 20_000
WRITES = 20
CHANGES_A_WRITE = 1_000
SHOWN = 20
"""Titles at the top of the inventory: every write changes them, too."""
KEPT_EVENTS = 1_000
BUSY_SHARE = 0.5
"""Of the time of the flood that long tasks, of 50 ms and more, may take."""
WATCH = """
window.framesSeen = 0;
window.longTasks = [];
(function count() { window.framesSeen += 1; requestAnimationFrame(count); })();
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask" });
window.began = performance.now();
"""
SHARE = "window.longTasks.reduce((sum, one) => sum + one, 0) / (performance.now() - window.began)"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[System]:
    """A system of its own, with 200,000 titles."""
    running = System(tmp_path_factory.mktemp("flood"))
    started = running.up()
    assert started.returncode == 0, started.stderr
    try:
        now = round(time.time() * 1000)
        for first in range(0, TITLES, TITLES_A_WRITE):
            numbers = range(first, first + TITLES_A_WRITE)
            write_events(
                settings_of(running),
                ((1, BookAdded(isbn_of(n), f"Book {n:06d}", f"Author {n % 999}", 1, now)) for n in numbers),
            )
        eventually(lambda: running.get("/stats")[1]["titles"] == TITLES, limit=120)
        yield running
    finally:
        running.down()


class Flood:
    """Writes changes of titles: those at the top of the inventory, and random ones."""

    def __init__(self, system: System, versions: Counter[int]) -> None:
        self._system, self._random, self.versions = system, random.Random(7), versions

    def write(self) -> None:
        """One transaction of CHANGES_A_WRITE changes."""
        now = round(time.time() * 1000)
        drawn = self._random.choices(range(TITLES), k=CHANGES_A_WRITE - SHOWN)
        numbers = [*range(SHOWN), *drawn]
        self.versions.update(numbers)
        counted: Counter[int] = Counter()
        versioned = []
        for number in numbers:
            counted[number] += 1
            version = 1 + self.versions[number] - numbers.count(number) + counted[number]
            versioned.append((version, CopiesAdded(isbn_of(number), 1, now)))
        write_events(settings_of(self._system), versioned)


@pytest.fixture(scope="module")
def flood(system: System) -> Flood:
    return Flood(system, Counter())


def goes_on(page: Page, flood: Flood, meanwhile: Callable[[], None]) -> None:
    """Frames are drawn between all writes, and ``meanwhile`` works in the middle of them."""
    page.evaluate(WATCH)
    frames = [0]
    for number in range(WRITES):
        flood.write()
        frames.append(page.evaluate("window.framesSeen"))
        if number == WRITES // 2:
            meanwhile()
    assert all(later > earlier for earlier, later in pairwise(frames)), frames
    share = page.evaluate(SHARE)
    assert share < BUSY_SHARE, f"long tasks took {share:.0%} of the time"


def test_the_inventory_of_200_000_titles_does_not_freeze(visit: Visit, flood: Flood):
    page = visit("/")
    expect(page.locator(".inventory-summary")).to_contain_text("200,000 titles")
    expect(page.locator(".connection")).to_have_text("Live")
    box = page.get_by_label("Search titles and authors")

    def search() -> None:
        box.press_sequentially("book 123456")
        expect(page.locator(".cell-title")).to_have_text(["Book 123456"])
        box.fill("")
        expect(page.locator(".cell-title").first).to_have_text("Book 000000")

    goes_on(page, flood, search)
    owned = 1 + flood.versions[0]
    expect(page.locator(".cell-shelf .shelf-text").first).to_have_text(f"{owned} of {owned}", timeout=60_000)
    assert page.locator("tr[data-index]").count() < 80


def test_the_view_of_events_does_not_freeze(visit: Visit, system: System, flood: Flood):
    page = visit("/events")
    page.locator(".events-table tbody tr").first.wait_for()

    def pause() -> None:
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Go on").click()

    before = system.get("/stats")[1]["events"]
    goes_on(page, flood, pause)
    eventually(lambda: system.get("/stats")[1]["events"] >= before + WRITES * CHANGES_A_WRITE, limit=60)
    expect(page.locator(".events-what").first).to_contain_text("1 copy added")
    assert page.locator(".events-table tbody tr").count() <= KEPT_EVENTS
