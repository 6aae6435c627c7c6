"""The inventory: search, filters, order, every title as one scrolls, and changes as they happen."""

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import axe_findings, screenshot
from tests.page.stock import TITLES, isbn_of
from tests.support.library.installed_system import System

Visit = Callable[..., Page]


def title_cell(page: Page, isbn: str):
    return page.locator("tr[data-index]").filter(has=page.locator(f'a[href="/titles/{isbn}"]'))


def search(page: Page, text: str) -> None:
    page.get_by_label("Search titles and authors").fill(text)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("capek", "Válka s mloky"), ("CAPEK mlok", "Válka s mloky"), ("juric elix", "Elixir in Action"),
        ("война", "Война и мир"), ("שנים", "מאה שנים של בדידות"), ("ليلة", "ألف ليلة وليلة"),
    ],
)  # fmt: skip
def test_search_ignores_accents_and_case_in_any_script(visit: Visit, typed: str, found: str):
    page = visit("/")
    search(page, typed)
    page.wait_for_url("**/?q=*")
    expect(page.locator(".cell-title").first).to_contain_text(found)
    titles = page.locator(".cell-title").all_inner_texts()
    assert titles
    assert all(text.startswith(found) for text in titles)


def test_a_title_from_right_to_left_is_written_so(visit: Visit):
    page = visit("/?q=%D7%91%D7%93%D7%99%D7%93%D7%95%D7%AA")
    name = page.locator(".cell-title bdi").first
    expect(name).to_be_visible()
    rows = (
        "[...document.querySelectorAll('.cell-title bdi')].map((name) => getComputedStyle(name).unicodeBidi)"
    )
    assert set(page.evaluate(rows)) == {"isolate"}
    assert page.get_by_label("Search titles and authors").get_attribute("dir") == "auto"


def test_an_address_opens_search_filter_and_order(visit: Visit):
    page = visit("/?q=earthsea&filter=available&sort=-title")
    expect(page.get_by_label("Search titles and authors")).to_have_value("earthsea")
    expect(page.get_by_label("On the shelf")).to_be_checked()
    expect(page.get_by_role("columnheader", name="Title")).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".cell-title").first).to_have_text("A Wizard of Earthsea, volume 9")
    page.get_by_role("button", name="Title").click()
    expect(page.locator(".cell-title").first).to_have_text("A Wizard of Earthsea")
    page.wait_for_url("**/?q=earthsea&filter=available")
    page.get_by_label("All").check(force=True)
    page.wait_for_url("**/?q=earthsea")


def test_a_parameter_that_means_nothing_is_ignored(visit: Visit):
    page = visit(f"/?sort=price&filter=blue&q={'a' * 300}")
    expect(page.locator(".state-title")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Show all titles").click()
    expect(page.locator("tr[data-index]").first).to_be_visible()


def test_scrolling_reaches_every_title_with_few_rows_in_the_document(visit: Visit):
    page = visit("/?sort=isbn")
    last = title_cell(page, isbn_of(TITLES - 1))
    expect(page.locator("tr[data-index]").first).to_be_visible()
    # Other tests' titles follow: not the end of the document is the aim
    page.wait_for_function(
        "(isbn) => { const found = document.querySelector(`a[href='/titles/${isbn}']`);"
        " if (!found) scrollBy({ top: 200, behavior: 'instant' }); return found; }",
        arg=isbn_of(TITLES - 1),
    )
    assert page.locator("tr[data-index]").count() < 80
    last.locator("a").click()
    expect(page.locator(".title-shelf")).to_be_visible()
    page.go_back()
    expect(last).to_be_in_viewport()


def test_a_changed_row_shows_it_for_a_moment(visit: Visit, system: System):
    isbn = isbn_of(272)
    before = system.get(f"/inventory/{isbn}")[1]
    page = visit("/?q=" + before["title"].replace(" ", "+"))
    row = title_cell(page, isbn)
    expect(row.locator(".shelf-text")).to_have_text(f"{before['available']} of {before['quantity']}")
    expect(page.locator(".connection")).to_have_text("Live")
    assert system.send("live-row", type="BorrowBook", isbn=isbn, user_id="ida")[0] == 201
    expect(row.locator(".shelf-text")).to_have_text(f"{before['available'] - 1} of {before['quantity']}")
    expect(row).to_have_class("changed changed-1")
    expect(row).to_have_class("")


def test_changes_in_quick_succession_are_all_shown(visit: Visit, system: System):
    """A change that comes during the pause after a refresh is shown at its end, not with the next change."""
    isbn = isbn_of(9_100)
    sent = {"isbn": isbn, "title": "Quick succession", "quantity": 1}
    assert system.send("quick-row", type="AddBook", **sent)[0] == 201
    page = visit("/?q=quick+succession")
    shelf = page.locator(".cell-shelf .shelf-text")
    expect(shelf).to_have_text("1 of 1")
    expect(page.locator(".connection")).to_have_text("Live")
    for owned in range(2, 8):
        assert system.send(f"quick-row-{owned}", type="AddCopies", isbn=isbn, quantity=1)[0] == 201
        expect(shelf).to_have_text(f"{owned} of {owned}")


def test_a_new_title_appears_and_a_removed_one_goes(visit: Visit, system: System):
    page = visit("/?q=lighthouse")
    expect(page.locator(".state-title")).to_contain_text("Nothing matches")
    expect(page.locator(".connection")).to_have_text("Live")
    isbn = isbn_of(9_000)
    added = system.send(
        "new-title", type="AddBook", isbn=isbn, title="To the Lighthouse", author="Woolf", quantity=2
    )
    assert added[0] == 201
    expect(title_cell(page, isbn)).to_be_visible()
    assert system.send("gone-title", type="RemoveBook", isbn=isbn)[0] == 201
    expect(title_cell(page, isbn)).to_have_count(0)


def test_the_page_survives_the_death_of_the_query_api(
    visit: Visit, system: System, expected_errors: list[str]
):
    expected_errors += ["ERR_", "status of 503"]
    isbn = isbn_of(273)
    before = system.get(f"/inventory/{isbn}")[1]
    page = visit("/?q=" + before["title"].replace(" ", "+"))
    expect(page.locator(".connection")).to_have_text("Live")
    os.kill(system.pid("api"), signal.SIGKILL)
    expect(page.locator(".connection")).to_have_text("Connection lost")
    expect(page.locator(".notice")).to_contain_text("What you see may be old")
    expect(title_cell(page, isbn)).to_be_visible()
    assert system.send("while-dead", type="BorrowBook", isbn=isbn, user_id="ida")[0] == 201
    expect(page.locator(".connection")).to_have_text("Live", timeout=90_000)
    text = title_cell(page, isbn).locator(".shelf-text")
    expect(text).to_have_text(f"{before['available'] - 1} of {before['quantity']}")
    expect(page.locator(".notice")).to_have_count(0)


def test_everything_is_reached_by_keys_alone(visit: Visit):
    page = visit("/")
    expect(page.locator("tr[data-index]").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("earthsea")
    page.wait_for_url("**/?q=earthsea")
    expect(page.locator(".inventory-summary")).to_contain_text("titles")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**filter=available")
    expect(page.get_by_label("On the shelf")).to_be_focused()
    links = page.locator("tr[data-index] a")
    # The rows of the filter: Tab would pass a table that is still to come
    expect(links.first).to_be_visible()
    for _ in range(8):
        page.keyboard.press("Tab")
        if links.first.evaluate("(link) => link === document.activeElement"):
            break
    expect(links.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    name = links.nth(1).inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)
    expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(visit: Visit, scheme: str):
    page = visit("/?sort=isbn", scheme=scheme)
    expect(page.locator("tr[data-index]").first).to_be_visible()
    expect(page.locator(".figures dd").first).to_be_visible()
    expect(page.locator(".connection")).to_have_text("Live")
    assert axe_findings(page) == []
    screenshot(page, f"inventory-{scheme}", image="inventory" if scheme == "light" else "")
    page.set_viewport_size({"width": 320, "height": 800})
    assert axe_findings(page) == []
    screenshot(page, f"inventory-{scheme}-phone")
