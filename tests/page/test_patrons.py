"""Borrowers of a store that keeps names apart, as the page shows them. The query API's answers are fakes."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.page.conftest import axe_findings
from tests.page.stock import isbn_of

Visit = Callable[..., Page]
TOKEN = f"p~{'a' * 16}"
LOAN = {
    "isbn": isbn_of(1), "title": "Solaris", "user_id": "ann", "borrowed_at": "2024-05-01T12:00:00.000Z",
    "due_at": "2024-05-22T21:59:59.999Z", "overdue": True, "patron": TOKEN,
}  # fmt: skip


def answering(page: Page, pattern: str, status: int, body: dict[str, Any]) -> None:
    """Let the API's route answer with ``body``; the page itself still comes from the server."""

    def answer(route: Route) -> None:
        if route.request.resource_type == "document":
            route.continue_()
        else:
            route.fulfill(status=status, json=body)

    page.route(pattern, answer)


def test_a_loan_leads_to_its_borrower(visit: Visit):
    page = visit("/")
    answering(page, "**/loans/search", 200, {"items": [LOAN], "next_cursor": None})
    answering(page, "**/patrons/*", 200, {"patron": TOKEN, "user_id": "ann", "closing": True, "loans": 1})
    page.get_by_role("link", name="Loans", exact=True).click()
    page.get_by_role("link", name="About ann").click()
    expect(page.locator("h1")).to_have_text("ann")
    expect(page.get_by_text("being forgotten")).to_be_visible()
    expect(page.get_by_role("link", name="Solaris")).to_be_visible()
    assert axe_findings(page) == []


def test_a_forgotten_borrower_is_said_to_be_forgotten(visit: Visit, expected_errors: list[str]):
    expected_errors.append("404")
    page = visit("/")
    gone = {
        "code": "forgotten",
        "detail": "the patron was forgotten",
        "forgotten_at": "2024-05-01T12:00:00.000Z",
    }
    answering(page, "**/patrons/*", 404, gone)
    answering(page, "**/loans/search", 200, {"items": [], "next_cursor": None})
    page.goto(page.url.rstrip("/") + f"/patrons/{TOKEN}")
    expect(page.locator("h1")).to_have_text("A forgotten borrower")
    expect(page.get_by_text(TOKEN)).to_be_visible()
    assert "user_id" not in page.locator("main").inner_text()
