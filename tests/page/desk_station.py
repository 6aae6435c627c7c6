"""The desk as somebody with a scanner uses it, and the gateway between them."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.support.library.installed_system import System
from tests.support.waiting import eventually

SCANNER_DELAY_MS = 2
"""Between two keys of a scanner."""
GATEWAY_ERRORS = r"Failed to load resource.*(409|504|401|ERR_FAILED|ERR_CONNECTION)"
"""What the browser's console says of refusals, and of a gateway that is away."""


class Desk:
    """A page that shows the desk. ``sent``: requests for commands, in order."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.locator("#scan")
        self.sent: list[Request] = []
        page.on("request", lambda request: self._note(request))
        expect(self.box).to_be_focused()

    def scan(self, *texts: str) -> None:
        """Type each text as a scanner does, wherever the focus is."""
        for text in texts:
            self.page.keyboard.type(text, delay=SCANNER_DELAY_MS)
            self.page.keyboard.press("Enter")

    def line(self, number: int = 0) -> Locator:
        """A line of what was done, 0: the newest."""
        return self.page.locator(".done-line").nth(number)

    def expect_line(self, state: str, *texts: str, number: int = 0) -> Locator:
        """Wait until a line is in a state and has these texts; returns it."""
        line = self.line(number)
        expect(line).to_have_class(re.compile(rf"\b{state}\b"))
        for text in texts:
            expect(line).to_contain_text(text)
        return line

    def _note(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/commands"):
            self.sent.append(request)


class HeldCommands:
    """Requests for commands that wait until they are released."""

    def __init__(self, page: Page) -> None:
        self.waiting: list[Route] = []
        page.route("**/commands", lambda route: self.waiting.append(route))
        self._page = page

    def release(self) -> None:
        """Let all pass that wait now."""
        waiting, self.waiting[:] = list(self.waiting), []
        for route in waiting:
            route.continue_()

    def expect_count(self, count: int) -> None:
        """Wait until that many wait."""
        for _ in range(200):
            if len(self.waiting) >= count:
                break
            # Playwright hands requests over only while it is called
            self._page.evaluate("() => new Promise(requestAnimationFrame)")
        assert len(self.waiting) == count


def body(request: Request) -> dict[str, Any]:
    """The command in a request."""
    value: dict[str, Any] = request.post_data_json
    return value


def answers(origin: str, status: int, code: str) -> dict[str, Any]:
    """A problem as the gateway answers, for ``route.fulfill``."""
    return {
        "status": status,
        "headers": {"Access-Control-Allow-Origin": origin},
        "json": {"status": status, "code": code, "detail": "for this test"},
    }


def widest(page: Page) -> int:
    """The width of the page's content in pixels."""
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width


def history(system: System, isbn: str) -> list[dict[str, Any]]:
    """The title's events."""
    items: list[dict[str, Any]] = system.get(f"/inventory/{isbn}/history?limit=500")[1]["items"]
    return items


def happened(system: System, isbn: str, *types: str) -> None:
    """Wait until these are the title's last events."""
    eventually(lambda: [event["type"] for event in history(system, isbn)][-len(types) :] == list(types))
