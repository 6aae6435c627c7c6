"""What surrounds every view: navigation, theme, connection."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def test_the_page_opens_with_the_inventory_and_follows_changes(visit: Visit):
    page = visit("/")
    expect(page.get_by_role("heading", name="Inventory", level=1)).to_be_visible()
    expect(page.locator(".connection")).to_have_text("Live")


def test_an_address_that_leads_nowhere_says_so_and_links_to_the_inventory(visit: Visit):
    page = visit("/titles/no-view-here")
    page.get_by_role("link", name="The inventory", exact=True).click()
    expect(page.get_by_role("heading", name="Inventory", level=1)).to_be_visible()
