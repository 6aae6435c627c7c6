"""Markup and scripts in whatever others write: on every view they are text.

A script that ran would change the document's title; one that the policy stopped fails the test, too.
"""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from eventstore.keys import event_key
from schemas.codec import encode
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookReturned,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)
from tests.page.consumer_group import group_reader
from tests.page.desk_station import GATEWAY_ERRORS, Desk
from tests.page.stock import ATTACK, isbn_of, settings_of
from tests.support.library.event_writer import write_events
from tests.support.library.installed_system import System
from tests.support.projector.event_store import EventStore
from tests.support.waiting import eventually

Visit = Callable[..., Page]
WRITTEN, HELD, LENT = isbn_of(820), isbn_of(821), isbn_of(822)
"""Titles: with an attack in all that its events have; with an event that can't be applied; with loans."""


@pytest.fixture(scope="module")
def attacked(system: System) -> Iterator[System]:
    """The system after somebody wrote ATTACK wherever a text is, past the gateway's checks, too."""
    now = round(time.time() * 1000)
    events: list[Event] = [
        BookAdded(WRITTEN, ATTACK, ATTACK, 5, now),
        BookBorrowed(WRITTEN, ATTACK, now, now - 1),
        LoanRenewed(WRITTEN, ATTACK, now, now + 1),
        BookReturned(WRITTEN, ATTACK, now),
        CopiesWithdrawn(WRITTEN, 1, ATTACK, now),
        DetailsCorrected(WRITTEN, f"{ATTACK}!", ATTACK, now),
        BookBorrowed(WRITTEN, ATTACK, now, now - 1),
    ]
    headers = {"actor": ATTACK, "causation_id": ATTACK, "correlation_id": ATTACK, ATTACK: ATTACK}
    write_events(settings_of(system), enumerate(events, 1), command_id=ATTACK, carried=headers)
    store = EventStore(settings_of(system))
    lent = BookBorrowed(HELD, ATTACK, now, now + 1)
    store.write(1, BookAdded(HELD, ATTACK, ATTACK, 1, now))
    store.write_raw((event_key(HELD, 2), encode(lent)[:-3]))
    for name, command in (
        ("add", {"type": "AddBook", "title": ATTACK, "author": ATTACK, "quantity": 3}),
        ("lend-1", {"type": "BorrowBook", "user_id": ATTACK}),
        ("lend-2", {"type": "BorrowBook", "user_id": "somebody"}),
    ):
        assert system.send(f"markup-{name}", isbn=LENT, **command)[0] == 201
    eventually(lambda: system.get(f"/inventory/{HELD}")[1].get("held"))
    with group_reader(system, ATTACK, member=True) as (ends, commit):
        commit(ends)
        yield system
    store.write(2, lent)
    eventually(lambda: "held" not in system.get(f"/inventory/{HELD}")[1])


def is_text(page: Page, where: Locator) -> None:
    """The attack is there to be read, and made nothing."""
    expect(where).to_contain_text(ATTACK)
    made_nothing(page)


def made_nothing(page: Page) -> None:
    """No element and no effect came from an attack."""
    assert page.locator("img, iframe, main script, dialog script").count() == 0
    assert "broken" not in page.title().replace(ATTACK, "")


def test_in_the_inventory(visit: Visit, attacked: System):
    page = visit("/?q=onerror")
    row = page.locator("tr[data-index]").filter(has=page.locator(f'a[href="/titles/{WRITTEN}"]'))
    for part in (".cell-title", ".cell-author"):
        is_text(page, row.locator(part))


def test_in_a_title_its_history_and_every_detail_of_its_events(visit: Visit, attacked: System):
    page = visit(f"/titles/{WRITTEN}")
    for part in ("h1", ".title-author", ".loan-table"):
        is_text(page, page.locator(part))
    rows = page.locator(".event-what")
    expect(rows).to_have_count(7)
    for row in rows.all():
        row.click()
    details = page.locator(".event-fields")
    expect(details).to_have_count(7)
    for name in ("Who", "Command", "Caused by", "Belongs to"):
        is_text(
            page, details.first.locator("div").filter(has=page.locator("dt", has_text=name)).locator("dd")
        )
    page.get_by_role("slider", name="Moment").focus()
    page.keyboard.press("ArrowLeft")
    is_text(page, page.locator(".moment-text"))


def test_in_a_held_title(visit: Visit, attacked: System):
    page = visit(f"/titles/{HELD}")
    is_text(page, page.locator("h1"))
    expect(page.locator(".title-held")).to_be_visible()


def test_in_loans(visit: Visit, attacked: System):
    page = visit(f"/loans?isbn={LENT}")
    for part in (".loan-title", ".chosen"):
        is_text(page, page.locator(part).first)
    # Both loans are due at the same time: a token that says nothing decides which one is first
    is_text(page, page.locator(".loan-borrower", has_text=ATTACK))


def test_at_the_desk_in_a_form_a_refusal_and_an_answer(
    visit: Visit, attacked: System, expected_errors: list[str]
):
    expected_errors.append(GATEWAY_ERRORS)
    page = visit("/desk")
    desk = Desk(page)
    desk.scan("/return", LENT)
    line = desk.expect_line("refused", ATTACK, "Several copies")
    is_text(page, line.locator(".done-choices"))
    desk.scan("/correct", LENT)
    is_text(page, page.locator(".desk-form h2"))
    page.keyboard.press("Escape")
    line.get_by_role("button").filter(has_text=ATTACK).click()
    is_text(page, desk.expect_line("done", f"Returned by {ATTACK}"))
    line = desk.line()
    line.get_by_role("button", name="Undo").click()
    is_text(page, desk.expect_line("done", f"Lent to {ATTACK}"))


def test_in_the_list_of_events_and_in_events_whole(visit: Visit, attacked: System):
    page = visit(f"/events?isbn={WRITTEN}")
    links = page.locator(".events-what a")
    expect(links).to_have_count(7)
    is_text(page, page.locator(".events-what").first)
    for number in range(7):
        links.nth(number).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".whole-pairs").last).to_be_visible()
        for name in ("Done by", "Command"):
            is_text(page, dialog.locator(".whole-fields div").filter(has_text=name).locator("dd"))
        for part in ("th", "td"):
            is_text(page, dialog.locator(f".whole-pairs {part}").filter(has_text=ATTACK).first)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def test_in_operations_in_held_titles_and_in_names_of_groups_and_members(visit: Visit, attacked: System):
    page = visit("/operations")
    group = page.locator(".group-card").filter(has_text=ATTACK)
    expect(group).to_be_visible(timeout=60_000)
    group.locator("summary").click()
    is_text(page, group.locator(".members"))
    is_text(page, page.locator(".held-panel"))


@pytest.mark.parametrize(
    "path",
    [
        "/?q=X", "/?filter=X&sort=X", "/titles/X", f"/titles/{WRITTEN}?at=X",
        "/loans?isbn=X", "/loans?overdue=X",
        "/events?isbn=X", "/events?type=X", "/events?partition=X", "/events?event=X",
    ],
)  # fmt: skip
def test_in_an_address(visit: Visit, attacked: System, expected_errors: list[str], path: str):
    expected_errors.append("status of 40[04]")
    # A slash would end the name of a title
    page = visit(path.replace("X", ATTACK.partition("<script>")[0]))
    expect(page.locator(".spinner")).to_have_count(0)
    made_nothing(page)


@pytest.mark.parametrize("view", ["/", "/desk", "/loans", "/events"])
def test_in_every_box(visit: Visit, attacked: System, expected_errors: list[str], view: str):
    expected_errors += ["status of 40[04]", GATEWAY_ERRORS]
    page = visit(view)
    boxes = page.locator("input:visible:not([type=radio], [type=checkbox])")
    expect(boxes.first).to_be_visible()
    for number in range(boxes.count()):
        boxes.nth(number).fill(ATTACK)
        page.keyboard.press("Enter")
        expect(page.locator(".spinner")).to_have_count(0)
    made_nothing(page)
