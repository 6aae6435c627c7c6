"""A browser, and one system started by `library up` with a year of loans, for all tests of the page.

Every test fails on a violation of the Content-Security-Policy, an error in the console, an uncaught
exception, or a request to another host.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, sync_playwright

from tests.page.stock import fill, settings_of, stock
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

SCREENSHOTS = Path(__file__).parent / "screenshots"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests: they are outside `make test`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.page)


def chromium() -> str | None:
    """The browser's program: LIBRARY_TEST_CHROMIUM, or Debian's."""
    return os.environ.get("LIBRARY_TEST_CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if chromium() is None:
        pytest.skip("there is no chromium: on Debian, apt-get install chromium; or set LIBRARY_TEST_CHROMIUM")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=chromium())
    yield launched
    launched.close()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[System]:
    """The system, with its stock readable."""
    running = System(tmp_path_factory.mktemp("page"))
    started = running.up()
    assert started.returncode == 0, started.stderr
    try:
        events = stock(int(time.time() * 1000))
        fill(settings_of(running), events)
        eventually(lambda: running.get("/stats")[1]["events"] >= len(events))
        yield running
    finally:
        running.down()


@pytest.fixture
def expected_errors() -> list[str]:
    """Patterns of console errors that the test provokes, for example answers with the status 409."""
    return []


@pytest.fixture
def visit(browser: Browser, system: System, expected_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """Open a path in a new tab: ``visit("/", scheme="dark", width=320)``."""
    origins = {f"http://127.0.0.1:{port}" for port in (system.port, system.gateway_port)}
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def check_request(request: Request) -> None:
        if not any(request.url.startswith(f"{origin}/") for origin in origins):
            faults.append(f"foreign request: {request.url}")

    def check_console(message: Any) -> None:
        if message.type in ("error", "warning"):
            faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def make(path: str, *, scheme: Any = "light", width: int = 1280, height: int = 800, **more: Any) -> Page:
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": height}, locale="en-GB",
            timezone_id="Europe/Prague", **more,
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(20_000)
        context.on("request", check_request)
        context.on("console", check_console)
        context.on("weberror", lambda error: faults.append(f"exception: {error.error}"))
        context.add_init_script(VIOLATIONS)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{system.port}{path}")
        page.locator("h1").first.wait_for()
        return page

    yield make
    for context in contexts:
        for page in context.pages:
            faults += [f"policy: {violation}" for violation in page.evaluate("window.violations")]
        context.close()
    assert [fault for fault in faults if not any(re.search(one, fault) for one in expected_errors)] == []


def axe_findings(page: Page) -> list[str]:
    """What axe finds on the page, as text; an empty list is no finding."""
    found = Axe().run(page, options=WCAG).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def sideways_pixels(page: Page) -> int:
    """How much wider the page is than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def screenshot(page: Page, name: str, image: str = "") -> None:
    """Keep a picture of the page as an artefact.

    With LIBRARY_TEST_RENEW_IMAGES it is also the documentation's picture ``image``.
    """
    SCREENSHOTS.mkdir(exist_ok=True)
    file = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=file)
    if image and os.environ.get("LIBRARY_TEST_RENEW_IMAGES"):
        shutil.copy(file, IMAGES / f"{image}.png")


CUT_OFF = (Path(__file__).parent / "cut_off.js").read_text("utf-8")


def cut_off(page: Page) -> list[str]:
    """What cannot be seen whole on the page; sideways scrolling counts."""
    found: list[str] = page.evaluate(CUT_OFF)
    pixels = sideways_pixels(page)
    return found + ([f"the page is {pixels} pixels wider than its window"] if pixels else [])
