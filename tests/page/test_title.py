"""A title's page: its row and loans at any moment, and its history as a timeline."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from inventory.rules import Title, evolve
from schemas.event_json import time_fields
from schemas.events import TYPES, Event
from schemas.times import parse_time
from tests.page.conftest import axe_findings, screenshot, sideways_pixels
from tests.page.stock import BUSY, isbn_of
from tests.support.library.installed_system import System

Visit = Callable[..., Page]
CLASSES = {kind.__name__: kind for kind in TYPES}
BUSY_ISBN = isbn_of(BUSY)
SETTLED = """() => {
  const at = new URLSearchParams(location.search).get("at");
  return at && Date.parse(at) === Number(document.querySelector(".travel").value);
}"""
"""The address has the slider's moment: it follows a drag with a pause."""


def history_of(system: System, isbn: str) -> list[dict[str, Any]]:
    """All events of a title, read page by page."""
    events: list[dict[str, Any]] = []
    query = "?limit=100"
    while True:
        status, page = system.get(f"/inventory/{isbn}/history{query}")
        assert status == 200
        events += page["items"]
        if page["next_cursor"] is None:
            return events
        query = f"?limit=100&cursor={page['next_cursor']}"


def as_event(isbn: str, item: dict[str, Any]) -> Event:
    times = time_fields(item["type"])
    # The token beside a borrower's name is no field of an event as a state of names has it
    fields = {name: value for name, value in item["data"].items() if name != "patron"}
    data = {name: parse_time(value) if name in times else value for name, value in fields.items()}
    kind: Any = CLASSES[item["type"]]
    event: Event = kind(isbn=isbn, timestamp=parse_time(item["time"]), **data)
    return event


def states_of(isbn: str, history: list[dict[str, Any]]) -> list[Title]:
    """The title after each event, by the rules of the write side."""
    states = [Title()]
    for item in history:
        states.append(evolve(states[-1], as_event(isbn, item)))
    return states[1:]


def expect_state(page: Page, state: Title) -> None:
    """The page shows this title and its loans."""
    expect(page.locator(".title-shelf .shelf-text")).to_have_text(f"{state.available} of {state.quantity}")
    expect(page.locator("h1")).to_have_text(state.title)
    if state.loans:
        borrowers = [user for _, user in sorted((due, user) for user, due in state.loans.items())]
        expect(page.locator(".loan-table tbody td:first-child")).to_have_text(borrowers)
    else:
        expect(page.locator(".loan-table")).to_have_count(0)


def test_travelling_by_keys_shows_what_an_independent_fold_gives(visit: Visit, system: System):
    history = history_of(system, BUSY_ISBN)
    states = states_of(BUSY_ISBN, history)
    page = visit(f"/titles/{BUSY_ISBN}")
    expect_state(page, states[-1])
    slider = page.get_by_role("slider", name="Moment")
    slider.focus()
    place = len(states)
    for key, step in (
        ("ArrowLeft", -1),
        ("ArrowLeft", -1),
        ("PageDown", -10),
        ("ArrowRight", 1),
        ("PageDown", -10),
    ) * 3:
        page.keyboard.press(key)
        place += step
        expect_state(page, states[place])
        expect(page.locator(".event-table .marked")).to_have_count(1)
        expect(slider).to_have_attribute("aria-valuetext", re.compile(r"2\d{3}"))
    page.wait_for_url(f"**/titles/{BUSY_ISBN}?at={history[place]['time']}")
    page.keyboard.press("Home")
    expect_state(page, states[0])
    page.keyboard.press("End")
    expect_state(page, states[-1])
    page.wait_for_url(f"**/titles/{BUSY_ISBN}")


@pytest.mark.parametrize("share", [0.2, 0.55, 0.9])
def test_a_moment_has_an_address_of_its_own(visit: Visit, system: System, share: float):
    history = history_of(system, BUSY_ISBN)
    place = int(len(history) * share)
    page = visit(f"/titles/{BUSY_ISBN}?at={history[place]['time']}")
    expect_state(page, states_of(BUSY_ISBN, history)[place])
    marked = page.locator(".event-table .marked .event-what")
    assert str(history[place]["data"].get("user_id", "")) in marked.inner_text()


def test_dragging_travels_and_now_comes_back(visit: Visit, system: System):
    history = history_of(system, BUSY_ISBN)
    states = states_of(BUSY_ISBN, history)
    page = visit(f"/titles/{BUSY_ISBN}")
    for target in (page.get_by_role("slider", name="Moment"), page.locator(".timeline svg")):
        box = target.bounding_box()
        page.mouse.move(box["x"] + box["width"] - 11, box["y"] + box["height"] / 2)
        page.mouse.down()
        for share in (0.8, 0.6, 0.5, 0.41):
            page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        page.mouse.up()
        page.wait_for_function(SETTLED)
        at = parse_time(page.url.partition("at=")[2])
        then = [one for one, item in zip(states, history, strict=True) if parse_time(item["time"]) <= at]
        assert 0 < len(then) < len(states)
        expect_state(page, then[-1])
        page.get_by_role("button", name="Now").click()
        expect_state(page, states[-1])
        page.wait_for_url(f"**/titles/{BUSY_ISBN}")


def test_an_event_expands_in_place_with_everything_about_it(visit: Visit, system: System):
    newest = history_of(system, BUSY_ISBN)[-1]
    page = visit(f"/titles/{BUSY_ISBN}")
    row = page.locator(".event-table tbody").first
    row.locator(".event-what").press("Enter")
    fields = row.locator(".event-fields")
    for text in (newest["type"], newest["command_id"], newest["position"], "nobody said", "nothing else"):
        expect(fields).to_contain_text(text)
    row.locator(".event-what").press("Enter")
    expect(fields).to_have_count(0)


def test_a_long_history_has_few_rows_at_a_time(visit: Visit):
    page = visit(f"/titles/{BUSY_ISBN}")
    expect(page.locator(".pager")).to_contain_text("page 1 of")
    assert page.locator(".event-table tbody").count() <= 50
    page.get_by_role("button", name="Older").click()
    expect(page.locator(".pager")).to_contain_text("page 2 of")


def test_a_change_is_shown_while_the_title_is_open(visit: Visit, system: System):
    isbn = isbn_of(270)
    page = visit(f"/titles/{isbn}")
    expect(page.locator(".loan-table")).to_have_count(0)
    expect(page.locator(".connection")).to_have_text("Live")
    assert system.send("live-title", type="BorrowBook", isbn=isbn, user_id="ida")[0] == 201
    expect(page.locator(".loan-table tbody td:first-child")).to_have_text(["ida"])
    expect(page.locator(".event-table .event-what").first).to_contain_text("Lent to ida")


def test_a_removed_title_keeps_its_history(visit: Visit, system: System, expected_errors: list[str]):
    isbn = isbn_of(271)
    before = system.get(f"/inventory/{isbn}")[1]
    assert system.send("remove-title", type="RemoveBook", isbn=isbn)[0] == 201
    expected_errors.append("status of 410")
    page = visit(f"/titles/{isbn}")
    expect(page.locator(".title-gone")).to_contain_text("removed")
    expect(page.locator("h1")).to_have_text(before["title"])
    page.get_by_role("slider", name="Moment").focus()
    page.keyboard.press("Home")
    expect(page.locator(".title-shelf .shelf-text")).to_have_text(
        f"{before['available']} of {before['quantity']}"
    )


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("9781593275846", "never was"), ("9781593275847", "check digit"), ("nonsense", "nonsense")],
)
def test_an_address_without_a_title_is_explained(
    visit: Visit, expected_errors: list[str], path: str, sentence: str
):
    expected_errors.append("status of 40[04]")
    expect(visit(f"/titles/{path}").locator("main")).to_contain_text(sentence)


def test_a_time_that_is_none_is_named_and_now_is_shown(visit: Visit):
    page = visit(f"/titles/{BUSY_ISBN}?at=<b>yesterday</b>")
    expect(page.locator(".notice").last).to_contain_text("<b>yesterday</b>")
    expect(page.locator(".title-shelf")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?at=past"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(
    visit: Visit, system: System, scheme: str, query: str
):
    if query:
        query = f"?at={history_of(system, BUSY_ISBN)[200]['time']}"
    page = visit(f"/titles/{BUSY_ISBN}{query}", scheme=scheme, height=1100)
    expect(page.locator(".timeline")).to_be_visible()
    page.locator(".event-what").first.click()
    expect(page.locator(".event-fields")).to_contain_text("nothing else")
    assert axe_findings(page) == []
    page.evaluate("scrollTo(0, 0)")
    name = f"title{'-then' if query else ''}-{scheme}"
    screenshot(page, name, image="title" if name == "title-then-light" else "")
    page.set_viewport_size({"width": 320, "height": 900})
    assert sideways_pixels(page) == 0
    assert axe_findings(page) == []
    screenshot(page, f"{name}-phone")
