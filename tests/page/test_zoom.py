"""Every view at 200 % zoom, of everything and of texts alone, and on a phone: nothing is cut off."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import cut_off, screenshot
from tests.page.desk_station import Desk
from tests.page.stock import BUSY, isbn_of

Visit = Callable[..., Page]
THEN = quote("2026-06-01T00:00:00Z")


def shown(selector: str) -> Callable[[Page], None]:
    """Waits for the first element."""
    return lambda page: page.locator(selector).first.wait_for(timeout=60_000)


def expanded_event(page: Page) -> None:
    page.locator(".event-what").first.click()
    page.locator(".event-fields").wait_for()


def lending(page: Page) -> None:
    desk = Desk(page)
    desk.scan("a-card-with-a-number-that-is-longer-than-many", isbn_of(170))
    desk.expect_line("done")
    desk.scan("/return", isbn_of(170))
    desk.expect_line("done", "Returned")


def form(page: Page) -> None:
    Desk(page).scan("/correct", isbn_of(BUSY))
    page.locator(".desk-form").wait_for()


def whole_event(page: Page) -> None:
    page.locator(".events-what a").first.click()
    page.get_by_role("dialog").locator(".whole-pairs").last.wait_for()


VIEWS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "inventory": ("/", shown("tr[data-index]")),
    "nothing-found": ("/?q=zzzz", shown(".empty")),
    "title": (f"/titles/{isbn_of(BUSY)}", expanded_event),
    "title-then": (f"/titles/{isbn_of(BUSY)}?at={THEN}", shown(".event-table .marked")),
    "desk": ("/desk", lending),
    "desk-form": ("/desk", form),
    "loans": ("/loans", shown(".loan-actions")),
    "events": ("/events", shown(".events-what")),
    "event": ("/events", whole_event),
    "operations": ("/operations", shown(".live-chart canvas")),
    "nowhere": ("/titles/9780000000002", shown("h1")),
}
"""By name, each view's path, and the step after which it is complete."""


def of_everything(visit: Visit, path: str) -> Page:
    """A window of 1280 device pixels at 200 %: half as many pixels of the page's."""
    return visit(path, width=640, height=450, device_scale_factor=2)


def of_texts(visit: Visit, path: str) -> Page:
    """Texts of twice the size, and a window of the same width."""
    page = visit(path, width=1280, height=900)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    return page


def on_a_phone(visit: Visit, path: str) -> Page:
    """The smallest one."""
    return visit(path, width=320, height=640)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("zoomed", [of_everything, of_texts, on_a_phone])
def test_nothing_is_cut_off(
    visit: Visit, expected_errors: list[str], zoomed: Callable[[Visit, str], Page], name: str
):
    expected_errors.append("status of 404")
    path, complete = VIEWS[name]
    page = zoomed(visit, path)
    complete(page)
    expect(page.locator(".spinner")).to_have_count(0)
    screenshot(page, f"{name}-zoom-{zoomed.__name__}")
    assert cut_off(page) == []
