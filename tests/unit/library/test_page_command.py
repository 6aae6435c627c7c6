"""`library open` prints the page's address, and opens it where there is a browser."""

import webbrowser
from collections.abc import Iterator

import pytest

from foundation.cli import exits
from foundation.settings import Settings
from library.commands.page import open_page
from tests.support import http_server
from tests.support.library.command_runner import run_command


class Healthy(http_server.Handler):
    def do_GET(self) -> None:
        self.respond(200)


@pytest.fixture
def api() -> Iterator[str]:
    with http_server.serving(Healthy) as url:
        yield url


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that were opened; there is a desktop."""
    addresses: list[str] = []

    def browse(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.setenv("DISPLAY", ":0")
    return addresses


def test_the_address_is_printed_and_opened(api: str, opened: list[str]):
    result = run_command(open_page, Settings(api=api))
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{api}/\n", "")
    assert opened == [f"{api}/"]


def test_without_a_desktop_the_address_is_printed_alone(
    api: str, opened: list[str], monkeypatch: pytest.MonkeyPatch
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    result = run_command(open_page, Settings(api=api))
    assert (result.exit_code, result.stdout) == (0, f"{api}/\n")
    assert "no browser" in result.stderr
    assert opened == []


def test_a_browser_that_cannot_start_is_reported(
    api: str, opened: list[str], monkeypatch: pytest.MonkeyPatch
):
    def fail(_: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "open", fail)
    result = run_command(open_page, Settings(api=api))
    assert (result.exit_code, result.stdout) == (0, f"{api}/\n")
    assert "no browser" in result.stderr


def test_nothing_is_opened_where_nothing_answers(opened: list[str]):
    result = run_command(open_page, Settings(api="http://127.0.0.1:9"))
    assert result.exit_code == exits.UNAVAILABLE
    assert "library up" in result.stderr
    assert opened == []
