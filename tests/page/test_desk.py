"""The desk, with a scanner: a keyboard that types quickly and ends with Enter."""

import json
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import axe_findings, screenshot
from tests.page.desk_station import (
    GATEWAY_ERRORS,
    Desk,
    HeldCommands,
    answers,
    body,
    happened,
    history,
    widest,
)
from tests.page.stock import ATTACK, isbn_of
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

Visit = Callable[..., Page]


def test_titles_scanned_before_the_first_answer_are_lent(visit: Visit, system: System):
    first, second = isbn_of(101), isbn_of(102)
    desk = Desk(visit("/desk"))
    held = HeldCommands(desk.page)
    desk.scan("reader-101", first, second)
    held.expect_count(2)
    expect(desk.page.locator(".done-line.open")).to_have_count(2)
    expect(desk.box).to_be_focused()
    expect(desk.box).to_have_value("")
    held.release()
    for number, isbn in enumerate((second, first)):
        desk.expect_line("done", "Lent to reader-101, due", number=number)
        happened(system, isbn, "BookAdded", "BookBorrowed")
    expect(desk.page.locator(".borrower")).to_contain_text("2 loans")


def test_commands_for_one_title_are_sent_in_the_order_of_their_scans(visit: Visit, system: System):
    isbn = isbn_of(103)
    desk = Desk(visit("/desk"))
    held = HeldCommands(desk.page)
    desk.scan("reader-103", isbn, "/return", isbn)
    held.expect_count(1)
    assert body(desk.sent[0])["type"] == "BorrowBook"
    held.release()
    held.expect_count(1)
    assert [body(request)["type"] for request in desk.sent] == ["BorrowBook", "ReturnBook"]
    held.release()
    desk.expect_line("done", "Returned by reader-103")
    happened(system, isbn, "BookBorrowed", "BookReturned")


def test_a_return_of_one_of_several_copies_asks_whose_it_is(
    visit: Visit, system: System, expected_errors: list[str]
):
    expected_errors.append(GATEWAY_ERRORS)
    isbn = isbn_of(104)
    desk = Desk(visit("/desk"))
    desk.scan("/copies", isbn)
    desk.page.get_by_role("button", name="Add the copies").click()
    desk.expect_line("done", "1 copy added")
    desk.scan("/lend", "reader-a", isbn, "reader-b", isbn, "/return", isbn)
    line = desk.expect_line("refused", "Several copies of this title are on loan", "Scan the card")
    expect(line.get_by_role("button")).to_have_text(["reader-a", "reader-b"])
    desk.scan("reader-b")
    desk.expect_line("done", "Returned by reader-b")
    # The answer is certain before the query API has the event
    returned = eventually(lambda: [e for e in history(system, isbn) if e["type"] == "BookReturned"])
    assert [event["data"]["user_id"] for event in returned] == ["reader-b"]
    # The line is answered: a card is no answer to it any more
    desk.scan("reader-b")
    expect(desk.page.locator(".desk-note")).to_contain_text("a return needs the title")


def test_a_refusal_says_why_and_what_to_do(visit: Visit, expected_errors: list[str]):
    expected_errors.append(GATEWAY_ERRORS)
    desk = Desk(visit("/desk"))
    desk.scan("reader-107", isbn_of(107), isbn_of(107))
    desk.expect_line(
        "refused", "This borrower has a copy of this title already. To keep it longer, renew it."
    )
    desk.scan(isbn_of(6_000))
    desk.expect_line("refused", "This title is not in the inventory. Check the number, or add the title.")
    desk.scan("/return", isbn_of(108))
    desk.expect_line("refused", "There is no such open loan.")
    expect(desk.page.get_by_role("status").filter(has_text="Refused")).to_have_count(1)
    expect(desk.box).to_be_focused()


def test_a_lost_answer_is_asked_for_again_with_the_same_id(
    visit: Visit, system: System, expected_errors: list[str]
):
    expected_errors.append(GATEWAY_ERRORS)
    isbn = isbn_of(109)
    desk = Desk(visit("/desk"))
    origin = f"http://127.0.0.1:{system.port}"

    def lose(route: Route) -> None:
        match len(desk.sent):
            case 1:
                # It is done, and the answer does not arrive
                route.fetch()
                route.abort()
            case 2:
                route.fulfill(**answers(origin, 504, "outcome_unknown"))
            case 3:
                expect(desk.line()).to_contain_text("It is not known whether this was done. It is repeated")
                route.continue_()
            case _:
                raise AssertionError("it was sent again though the outcome was known")

    desk.page.route("**/commands", lose)
    desk.scan("reader-109", isbn)
    desk.expect_line("done", "An earlier attempt had done it. Nothing was done twice.")
    assert len({request.headers["idempotency-key"] for request in desk.sent}) == 1
    assert len({request.headers["client-time"] for request in desk.sent}) == 1
    assert [event["type"] for event in history(system, isbn)] == ["BookAdded", "BookBorrowed"]


def test_another_gateway_gets_a_command_only_when_the_first_cannot_begin_it_any_more(
    visit: Visit, system: System, expected_errors: list[str]
):
    expected_errors.append(GATEWAY_ERRORS)
    isbn, gateway = isbn_of(145), f"http://127.0.0.1:{system.gateway_port}"
    came: list[tuple[str, str]] = []

    def lose(route: Route) -> None:
        came.append((httpx.get(f"{gateway}/time").json()["time"], route.request.headers["expiry-time"]))
        if len(came) == 1:
            route.abort()
        else:
            route.continue_()

    page = visit("/")
    two = system.get("/page/settings.json")[1] | {"gateways": [gateway, gateway]}
    page.route("**/page/settings.json", lambda route: route.fulfill(json=two))
    page.goto(f"http://127.0.0.1:{system.port}/desk")
    desk = Desk(page)
    page.route("**/commands", lose)
    desk.scan("reader-145", isbn)
    desk.line().get_by_text("Lent to").wait_for()
    (sent, expiry), (again, _) = came
    assert sent < expiry < again


def test_what_is_scanned_while_the_gateway_is_away_is_done_when_it_is_back(
    visit: Visit, system: System, expected_errors: list[str]
):
    expected_errors.append(GATEWAY_ERRORS)
    desk = Desk(visit("/desk"))
    assert system.library("stop", "gateway").returncode == 0
    try:
        desk.scan("reader-110", isbn_of(110), isbn_of(111))
        desk.expect_line("open", "does not answer", "repeated with the same id")
        screenshot(desk.page, "desk-gateway-away")
        desk.line().get_by_role("button", name="Stop repeating").click()
        desk.expect_line("refused", "Given up: it may have been done, or not.")
    finally:
        assert system.library("start", "gateway").returncode == 0
    desk.expect_line("done", "Lent to reader-110", number=1)
    happened(system, isbn_of(110), "BookAdded", "BookBorrowed")
    assert [event["type"] for event in history(system, isbn_of(111))] == ["BookAdded"]


def test_the_token_is_asked_for_once_in_a_session(visit: Visit, system: System, expected_errors: list[str]):
    expected_errors.append(GATEWAY_ERRORS)
    page = visit("/desk")
    desk = Desk(page)

    def require(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(**answers(f"http://127.0.0.1:{system.port}", 401, "no_token"))

    page.route("**/commands", require)
    desk.scan("reader-112", isbn_of(112))
    box = page.get_by_label("Token of the gateway")
    expect(box).to_be_focused()
    desk.scan("tahini")
    expect(page.locator("#token-note")).to_contain_text("does not accept this token")
    expect(box).to_be_focused()
    desk.scan("sesame")
    desk.expect_line("done", "Lent to reader-112")
    expect(box).to_have_count(0)
    assert len({request.headers["idempotency-key"] for request in desk.sent}) == 1
    page.reload()
    expect(desk.box).to_be_focused()
    desk.scan("reader-112", isbn_of(113))
    desk.expect_line("done", "Lent to reader-112")
    stored = page.evaluate("JSON.stringify(localStorage)")
    assert "sesame" not in stored


def test_who_works_at_the_desk_is_named_on_the_events(visit: Visit, system: System):
    desk = Desk(visit("/desk"))
    desk.page.get_by_label("Who works here").fill("Žofie")
    desk.page.keyboard.press("Enter")
    expect(desk.box).to_be_focused()
    desk.scan("reader-114", isbn_of(114))
    desk.expect_line("done")
    eventually(lambda: history(system, isbn_of(114))[-1]["actor"] == "Žofie")


SCANS: list[tuple[str, dict[str, str]]] = [
    ("9781593275846", {"kind": "title", "isbn": "9781593275846"}),
    (" 978-1-59327-584-6 ", {"kind": "title", "isbn": "9781593275846"}),
    ("９７８１５９３２７５８４６", {"kind": "title", "isbn": "9781593275846"}),
    ("978159327584651999", {"kind": "title", "isbn": "9781593275846"}),
    ("0-306-40615-2", {"kind": "title", "isbn": "9780306406157"}),
    ("080442957x", {"kind": "title", "isbn": "9780804429573"}),
    ("9781593275847", {"kind": "misread", "text": "9781593275847"}),
    ("97815932758", {"kind": "misread", "text": "97815932758"}),
    ("978159327584699999", {"kind": "title", "isbn": "9781593275846"}),
    ("0306406152", {"kind": "either", "isbn": "9780306406157", "user": "0306406152"}),
    ("2000000000008", {"kind": "either", "isbn": "2000000000008", "user": "2000000000008"}),
    ("2000000000001", {"kind": "card", "user": "2000000000001"}),
    ("0306406153", {"kind": "card", "user": "0306406153"}),
    ("reader-1", {"kind": "card", "user": "reader-1"}),
    ("@9781593275846", {"kind": "card", "user": "9781593275846"}),
    ("/Return", {"kind": "work", "name": "return"}),
    ("  ", {"kind": "nothing"}),
    ("@", {"kind": "nothing"}),
]


def test_titles_cards_and_misreadings_are_told_apart(visit: Visit):
    page = visit("/desk")
    for text, expected in SCANS:
        read = page.evaluate("async (text) => (await import('/page/scans.js')).readScan(text)", text)
        assert read == expected, text


def test_a_misread_title_never_becomes_a_borrower(visit: Visit):
    desk = Desk(visit("/desk"))
    desk.scan(isbn_of(115))
    expect(desk.page.locator(".desk-note")).to_contain_text("Scan the borrower’s card first")
    desk.scan("reader-115", isbn_of(115)[:-1] + str((int(isbn_of(115)[-1]) + 1) % 10))
    expect(desk.page.locator(".desk-note")).to_contain_text("with a wrong or a missing digit")
    expect(desk.page.locator(".borrower-name")).to_have_text("reader-115")
    assert desk.sent == []


def test_a_number_that_may_be_both_is_a_title_only_if_the_inventory_has_it(visit: Visit):
    desk = Desk(visit("/desk"))
    desk.scan("2000000000008", isbn_of(116))
    desk.expect_line("done", "Lent to 2000000000008")


def test_a_script_in_a_card_a_name_or_a_title_is_only_text(visit: Visit):
    desk = Desk(visit("/desk"))
    desk.page.get_by_label("Who works here").fill(ATTACK)
    desk.scan("")
    desk.scan(ATTACK, isbn_of(117))
    desk.expect_line("done", f"Lent to {ATTACK}")
    expect(desk.page.locator(".borrower-name")).to_have_text(ATTACK)
    desk.scan("/correct", isbn_of(118))
    desk.page.locator("#field-title").fill(ATTACK)
    desk.page.keyboard.press("Enter")
    desk.expect_line("done", ATTACK)
    desk.scan(f"/{ATTACK}")
    expect(desk.page.locator(".desk-note")).to_contain_text("is no kind of work")
    assert desk.page.locator("img, main script").count() == 0
    assert desk.page.title() == "Desk · Library"
    assert ATTACK not in desk.page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_desk_has_no_findings_and_a_picture(visit: Visit, scheme: str, expected_errors: list[str]):
    expected_errors.append(GATEWAY_ERRORS)
    base = 120 if scheme == "light" else 130
    desk = Desk(visit("/desk", scheme=scheme))
    assert axe_findings(desk.page) == []
    desk.scan("reader-007", *(isbn_of(base + number) for number in range(4)), isbn_of(base))
    desk.expect_line("refused")
    desk.expect_line("done", "Lent to reader-007, due", number=1)
    desk.line(2).get_by_role("button", name="Undo").click()
    desk.expect_line("done", "Returned by")
    assert axe_findings(desk.page) == []
    screenshot(desk.page, f"desk-{scheme}")
    for work in ("copies", "correct", "remove"):
        desk.scan(f"/{work}", isbn_of(base + 5))
        desk.page.locator(".desk-form button.primary").wait_for()
        assert axe_findings(desk.page) == []
        desk.page.keyboard.press("Escape")
        expect(desk.box).to_be_focused()


def test_the_desk_is_used_by_keyboard_alone(visit: Visit):
    page = visit("/desk")
    desk = Desk(page)
    desk.scan("reader-119", isbn_of(119))
    desk.expect_line("done", "Lent to reader-119")
    page.keyboard.type("half a ca")
    page.keyboard.press("Escape")
    expect(desk.box).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator(".borrower")).to_have_count(0)
    while page.evaluate("document.activeElement.textContent") != "Undo":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    desk.expect_line("done", "Returned by reader-119")
    expect(desk.box).to_be_focused()
    while page.evaluate("document.activeElement.name") != "work":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    radio = page.get_by_role("radio", name="Return")
    expect(radio).to_be_checked()
    expect(radio).to_be_focused()
    page.get_by_role("radio", name="Renew").click()
    expect(desk.box).to_be_focused()
    # Wherever the focus is, the scanner writes into the box
    page.locator("h1").click()
    desk.scan("/lend", "reader-119")
    expect(page.locator(".borrower-name")).to_have_text("reader-119")


@pytest.mark.parametrize("width", [320, 640])
def test_the_desk_needs_no_scrolling_sideways(visit: Visit, width: int):
    desk = Desk(visit("/desk", width=width))
    desk.scan("a-card-with-a-number-that-is-longer-than-the-screen-is-wide", isbn_of(142 + width // 640))
    desk.expect_line("done", "longer-than-the-screen")
    desk.scan("/copies", isbn_of(140))
    desk.page.get_by_label("What happens").select_option("lost")
    assert widest(desk.page) <= width
    if width == 320:
        screenshot(desk.page, "desk-phone")


def test_the_list_is_kept_while_other_views_are_open(visit: Visit):
    desk = Desk(visit("/desk"))
    desk.scan("reader-141", isbn_of(141))
    desk.expect_line("done", "Lent to reader-141")
    desk.page.get_by_role("link", name="Loans").click()
    expect(desk.page).to_have_url(re.compile("/loans$"))
    desk.page.go_back()
    desk.expect_line("done", "Lent to reader-141")
    assert "reader-141" not in json.dumps(desk.page.evaluate("history.state"))
