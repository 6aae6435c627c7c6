"""The view of events: what comes in, filters, pause, one event whole."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import axe_findings, screenshot
from tests.page.stock import BUSY, isbn_of
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

Visit = Callable[..., Page]


def rows(page: Page) -> list[str]:
    """The kinds of the events that are shown."""
    return page.locator(".events-table tbody .badge").all_inner_texts()


def opened(visit: Visit, query: str = "", **more: object) -> Page:
    page = visit(f"/events{query}", **more)
    page.locator(".events-table tbody tr").first.wait_for()
    return page


def test_an_event_appears_as_soon_as_it_is_written(visit: Visit, system: System):
    page = opened(visit)
    isbn = isbn_of(700)
    status, _ = system.send("events-add", type="AddBook", isbn=isbn, title="New", author="A", quantity=2)
    assert status == 201
    first = page.locator(".events-table tbody tr").first
    expect(first).to_contain_text("Added with 2 copies")
    expect(first).to_contain_text("978-1000007")
    expect(first).to_have_class("changed")


def test_events_come_while_no_projector_runs_and_rows_once_it_does(visit: Visit, system: System):
    page = visit("/?q=unprojected")
    expect(page.locator(".state-title")).to_contain_text("Nothing matches")
    assert system.library("stop", "projector").returncode == 0
    try:
        page.get_by_role("link", name="Events").click()
        expect(page.locator(".connection")).to_have_text("Live")
        page.locator(".events-table tbody tr").first.wait_for()
        isbn = isbn_of(704)
        sent = system.send(
            "unprojected", type="AddBook", isbn=isbn, title="Unprojected", author="A", quantity=3
        )
        assert sent[0] == 201
        first = page.locator(".events-table tbody tr").first
        expect(first.locator(f'a[href="/titles/{isbn}"]')).to_be_visible()
        expect(first).to_contain_text("Added with 3 copies")
        page.go_back()
        expect(page.locator(".state-title")).to_contain_text("Nothing matches")
    finally:
        assert system.library("start", "projector").returncode == 0
    # The rows' feed goes on where it was left
    expect(page.locator(".cell-title")).to_have_text("Unprojected", timeout=60_000)


def test_older_events_follow_page_by_page(visit: Visit):
    page = opened(visit)
    before = len(rows(page))
    page.get_by_role("button", name="Older events").click()
    expect(page.locator(".events-table tbody tr")).to_have_count(2 * before)
    positions = page.locator(".events-position").all_inner_texts()
    assert len(set(positions)) == 2 * before


def test_filters_select_events_and_are_in_the_address(visit: Visit):
    page = opened(visit)
    page.get_by_label("Type").select_option("CopiesAdded")
    expect(page).to_have_url(re.compile(r"/events\?type=CopiesAdded$"))
    eventually(lambda: set(rows(page)) == {"CopiesAdded"})
    page.get_by_label("Title, by ISBN").fill(isbn_of(BUSY))
    page.keyboard.press("Enter")
    eventually(lambda: set(page.locator(".events-title").all_inner_texts()) == {"978-1000000016"})
    again = opened(visit, page.url.partition("/events")[2])
    assert again.get_by_label("Title, by ISBN").input_value() == isbn_of(BUSY)
    page.get_by_role("button", name="Show all").click()
    expect(page).to_have_url(re.compile(r"/events$"))
    page.get_by_label("Partition").select_option("1")
    eventually(
        lambda: {p[0] for p in page.locator(".events-table td.events-position").all_inner_texts()} == {"1"}
    )


def test_a_pause_keeps_the_list_and_counts_what_comes(visit: Visit, system: System):
    page = opened(visit)
    page.get_by_role("button", name="Pause").click()
    before = page.locator(".events-position").all_inner_texts()
    for n in (701, 702):
        assert (
            system.send(f"pause-{n}", type="AddBook", isbn=isbn_of(n), title="T", author="A", quantity=1)[0]
            == 201
        )
    expect(page.locator(".events-live")).to_contain_text("Paused: 2 new events since")
    assert page.locator(".events-position").all_inner_texts() == before
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".events-title").first).to_have_text("978-1000007022")


def test_one_event_is_shown_whole_and_its_address_can_be_sent(visit: Visit):
    page = opened(visit, f"?isbn={isbn_of(BUSY)}&type=BookAdded")
    page.locator(".events-what a").first.click()
    dialog = page.get_by_role("dialog")
    for text in ("Data", "Headers", "Bytes", "library.inventory.BookAdded", "ce_type", f"{isbn_of(BUSY)}/1"):
        expect(dialog).to_contain_text(text)
    expect(dialog.locator("pre")).to_contain_text("0000  00 00 00 00 01")
    assert axe_findings(page) == []
    again = opened(visit, page.url.partition("/events")[2])
    expect(again.get_by_role("dialog")).to_contain_text("library.inventory.BookAdded")
    again.keyboard.press("Escape")
    expect(again.get_by_role("dialog")).to_have_count(0)
    expect(again).to_have_url(re.compile(r"/events\?[^&]*&[^&]*$"))


def test_arrow_keys_go_from_event_to_event_and_enter_shows_one(visit: Visit):
    page = opened(visit)
    page.get_by_role("button", name="Pause").click()
    links = page.locator(".events-what a")
    links.nth(0).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?isbn=9781593275847", "check digit"),
        ("?isbn=" + "9" * 50, "isbn"),
        ("?partition=77", "there is no partition 77"),
        ("?partition=x", "partition"),
        ("?type=BookEaten", "'BookEaten' is no type of event"),
        ("?event=0:999999", "there is no event at 0:999999"),
        ("?event=" + "%3Cb%3E", "no"),
    ],
)
def test_bad_input_gets_a_sentence(visit: Visit, expected_errors: list[str], query: str, sentence: str):
    expected_errors.append("status of 40[04]")
    page = visit(f"/events{query}")
    expect(page.get_by_role("alert").filter(has_text=sentence).first).to_be_visible()


def test_what_was_typed_stays_where_it_is_wrong(visit: Visit, expected_errors: list[str]):
    expected_errors.append("status of 400")
    page = opened(visit)
    box = page.get_by_label("Title, by ISBN")
    box.fill("978-1-59327-584-7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="check digit")).to_be_visible()
    expect(box).to_have_value("978-1-59327-584-7")
    expect(box).to_have_attribute("aria-invalid", "true")
    box.fill(isbn_of(BUSY))
    page.keyboard.press("Enter")
    eventually(lambda: set(page.locator(".events-title").all_inner_texts()) == {"978-1000000016"})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_view_of_events(visit: Visit, scheme: str):
    page = opened(visit, scheme=scheme)
    assert axe_findings(page) == []
    screenshot(page, f"events-{scheme}")


def test_events_fit_a_phone(visit: Visit):
    page = opened(visit, width=320, height=640)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.locator(".events-what a").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Headers")
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 320
    screenshot(page, "event-phone")
