"""What surrounds every view: navigation, theme, connection."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.page.stock import isbn_of

Visit = Callable[..., Page]


def test_the_page_opens_with_the_inventory_and_follows_changes(visit: Visit):
    page = visit("/")
    expect(page.get_by_role("heading", name="Inventory", level=1)).to_be_visible()
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".foot")).to_contain_text("Europe/Prague")
    expect(page.locator(".foot")).to_contain_text("in UTC")


def test_a_link_opens_a_view_without_loading_the_page_and_back_returns(visit: Visit):
    page = visit("/?q=earthsea")
    page.evaluate("window.stillHere = true")
    page.locator(".cell-title a").first.click()
    expect(page.locator(".title-shelf")).to_be_visible()
    expect(page).to_have_title(re.compile("Earthsea · Library"))
    expect(page.locator("#main")).to_be_focused()
    page.go_back()
    expect(page.get_by_label("Search titles and authors")).to_have_value("earthsea")
    page.go_forward()
    expect(page.locator(".title-shelf")).to_be_visible()
    assert page.evaluate("window.stillHere")


def test_every_link_of_the_navigation_opens_a_view(visit: Visit):
    page = visit("/")
    for link in page.get_by_role("navigation", name="Views").get_by_role("link").all():
        link.click()
        expect(page.locator("h1")).not_to_have_text("There is no such page")
        expect(link).to_have_attribute("aria-current", "page")


def test_an_address_that_leads_nowhere_says_so_and_links_to_the_inventory(visit: Visit):
    page = visit("/")
    page.evaluate("history.pushState(null, '', '/nowhere'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("link", name="The inventory", exact=True).click()
    expect(page.get_by_role("heading", name="Inventory", level=1)).to_be_visible()


def test_the_chosen_theme_holds_when_the_page_is_opened_again(visit: Visit):
    page = visit("/", scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Use the dark theme").click()
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    page.get_by_role("button", name="Use the light theme").wait_for()
    assert page.evaluate(colour) == dark


def test_the_theme_follows_the_system_until_the_reader_chooses(visit: Visit):
    page = visit("/", scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Use the light theme").click()
    assert page.evaluate(colour) == light
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Use the dark theme").wait_for()
    assert page.evaluate(colour) == light


def test_nothing_moves_for_readers_who_want_it_so(visit: Visit):
    page = visit(f"/titles/{isbn_of(2)}", reduced_motion="reduce")
    expect(page.locator(".title-shelf")).to_be_visible()
    running = "document.getAnimations().filter((animation) => animation.playState === 'running').length"
    assert page.evaluate(running) == 0


def test_the_browser_refuses_inline_code_and_strings_as_html(visit: Visit, expected_errors: list[str]):
    expected_errors += ["policy:", "Content Security Policy", "Trusted(HTML|Script)"]
    page = visit("/")
    attempt = """() => {
      const script = document.createElement("script");
      script.setAttribute("nonce", "x");
      try { script.text = "document.title = 'broken'"; document.body.append(script); } catch {}
      try { document.body.innerHTML = "<img src=x onerror=\\"document.title='broken'\\">"; } catch {}
      try { setTimeout("document.title = 'broken'"); } catch {}
      return fetch("https://example.org/").then(() => "sent", () => "refused");
    }"""
    page.context.route("https://example.org/", lambda route: route.fulfill(body="reached"))
    assert page.evaluate(attempt) == "refused"
    assert "broken" not in page.title()
    assert page.evaluate("window.violations.length") >= 3
