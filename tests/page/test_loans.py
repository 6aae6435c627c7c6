"""Open loans on the page: what is overdue, whose it is, and renewing and returning from there."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import axe_findings, screenshot
from tests.page.desk_station import GATEWAY_ERRORS, widest
from tests.page.stock import ATTACK, isbn_of
from tests.support.library.installed_system import System

Visit = Callable[..., Page]


def lend(system: System, number: int, user: str) -> str:
    """Lend a title that nobody else uses; returns its ISBN."""
    isbn = isbn_of(number)
    status, answer = system.send(f"lend-{number}-{user}", type="BorrowBook", isbn=isbn, user_id=user)
    assert status == 201, answer
    return isbn


def rows(page: Page, text: str = "") -> Locator:
    return page.locator(".loans-table tbody tr").filter(has_text=text)


def show_borrower(page: Page, user: str) -> None:
    page.get_by_label("Borrower", exact=True).fill(user)
    page.keyboard.press("Enter")


def test_overdue_loans_come_first_and_the_first_due_at_the_top(visit: Visit, system: System):
    lend(system, 201, "reader-201")
    page = visit("/loans")
    rows(page).first.wait_for()
    due = [cell.get_attribute("datetime") for cell in rows(page).locator(".loan-due time").all()]
    assert due == sorted(due, key=str)
    overdue = [row.locator(".badge.bad").count() for row in rows(page).all()]
    assert overdue == sorted(overdue, reverse=True)
    assert sum(overdue) > 0
    page.get_by_label("Overdue only").check()
    expect(rows(page)).to_have_count(sum(overdue))


def test_a_loan_is_renewed_and_returned_from_the_list(visit: Visit, system: System):
    page = visit("/loans")
    show_borrower(page, rows(page).first.locator(".loan-borrower").inner_text())
    row = rows(page).first
    title = row.locator(".loan-title a").inner_text()
    row.get_by_role("button", name="Renew").click()
    expect(page.locator(".done-line").first).to_contain_text("Renewed for")
    expect(rows(page, title).locator(".badge.bad")).to_have_count(0)
    rows(page, title).get_by_role("button", name="Return").click()
    expect(page.locator(".done-line").first).to_contain_text("Returned by")
    expect(rows(page, title)).to_have_count(0)
    page.locator(".done-line").first.get_by_role("button", name="Undo").click()
    expect(rows(page, title)).to_have_count(1)


def test_no_borrower_is_in_any_url(visit: Visit, system: System):
    user = "reader-secret-202"
    lend(system, 202, user)
    page = visit("/loans")
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    show_borrower(page, user)
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_label("Borrower", exact=True)).to_have_value(user)
    rows(page).get_by_role("button", name="Renew").click()
    expect(page.locator(".done-line").first).to_contain_text("due as late as that already")
    page.goto(f"http://127.0.0.1:{system.port}/")
    page.go_back()
    expect(rows(page)).to_have_count(1)
    assert urls
    assert [url for url in [*urls, page.url] if "secret" in url] == []


def test_the_loans_of_a_title_have_a_url_of_their_own(visit: Visit, system: System):
    isbn = lend(system, 203, "reader-203")
    page = visit("/loans")
    box = page.get_by_label("Title", exact=True)
    box.fill(isbn)
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    assert page.url.endswith(f"/loans?isbn={isbn}")
    page.reload()
    expect(rows(page)).to_have_count(1)
    expect(page.locator(".chosen")).not_to_have_text(isbn)
    page.get_by_role("button", name="Clear").click()
    box.fill("mloky capek volume 3")
    page.locator(".found-titles button").first.click()
    expect(page.locator(".chosen")).to_contain_text("volume 3")
    box_again = visit(f"/loans?isbn={isbn}")
    expect(rows(box_again)).to_have_count(1)


def test_loans_made_elsewhere_appear_and_go(visit: Visit, system: System):
    page = visit(f"/loans?isbn={isbn_of(204)}")
    expect(page.locator(".state-title")).to_have_text("There is no such loan")
    lend(system, 204, "reader-204")
    expect(rows(page, "reader-204")).to_have_count(1)
    system.send("back-204", type="ReturnBook", isbn=isbn_of(204), user_id="reader-204")
    expect(rows(page)).to_have_count(0)


def test_further_loans_are_read_on_request(visit: Visit, system: System):
    for number in range(210, 255):
        lend(system, number, "reader-many")
    page = visit("/loans")
    expect(rows(page)).to_have_count(100)
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    assert rows(page).count() > 100
    keys = [row.inner_text() for row in rows(page).all()]
    assert len(set(keys)) == len(keys)


def test_a_refused_action_says_why_and_the_list_is_right(
    visit: Visit, system: System, expected_errors: list[str]
):
    expected_errors.append(GATEWAY_ERRORS)
    isbn = lend(system, 205, "reader-205")
    page = visit(f"/loans?isbn={isbn}")
    rows(page).first.wait_for()
    page.route("**/changes", lambda route: route.abort())
    page.route("**/loans/search", lambda route: None)
    system.send("back-205", type="ReturnBook", isbn=isbn, user_id="reader-205")
    page.unroute("**/changes")
    button = rows(page).get_by_role("button", name="Return")
    button.click()
    page.unroute("**/loans/search")
    expect(page.locator(".done-line").first).to_contain_text("There is no such open loan.")


def test_a_script_in_a_borrowers_id_is_only_text(visit: Visit, system: System):
    lend(system, 206, ATTACK)
    page = visit(f"/loans?isbn={isbn_of(206)}")
    expect(rows(page).locator(".loan-borrower")).to_have_text(ATTACK)
    rows(page).locator(".loan-borrower").click()
    expect(page.get_by_label("Borrower", exact=True)).to_have_value(ATTACK)
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Loans · Library"


def test_bad_input_is_answered_with_a_sentence_and_nothing_is_lost(visit: Visit, expected_errors: list[str]):
    expected_errors.append(r"Failed to load resource.*400")
    page = visit("/loans")
    show_borrower(page, "a\u200bb")
    expect(page.get_by_role("alert")).to_contain_text("U+200B, which is not shown")
    expect(page.get_by_label("Borrower", exact=True)).to_have_value("a\u200bb")
    page.get_by_role("button", name="Clear").click()
    rows(page).first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_loans_have_no_findings_and_a_picture(visit: Visit, scheme: str):
    page = visit("/loans", scheme=scheme)
    rows(page).first.wait_for()
    assert axe_findings(page) == []
    screenshot(page, f"loans-{scheme}")
    page.get_by_label("Title", exact=True).fill("earthsea")
    page.locator(".found-titles button").first.wait_for()
    assert axe_findings(page) == []
    show_borrower(page, "nobody at all")
    page.locator(".state-title").wait_for()
    assert axe_findings(page) == []


def test_loans_are_used_by_keyboard_alone(visit: Visit, system: System):
    lend(system, 207, "reader-207")
    page = visit("/loans")
    while page.evaluate("document.activeElement.id") != "borrower":
        page.keyboard.press("Tab")
    page.keyboard.type("reader-207")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    while page.evaluate("document.activeElement.textContent") != "Return":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(rows(page)).to_have_count(0)


@pytest.mark.parametrize("width", [320, 640])
def test_loans_need_no_scrolling_sideways(visit: Visit, width: int):
    page = visit("/loans", width=width)
    rows(page).first.wait_for()
    assert widest(page) <= width
    if width == 320:
        screenshot(page, "loans-phone")
