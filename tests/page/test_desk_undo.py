"""Undo at the desk: a command takes back what a line did, or the line says that none does."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.page.desk_station import Desk, happened
from tests.page.stock import isbn_of
from tests.support.library.installed_system import System

Visit = Callable[..., Page]


def test_each_kind_of_work_is_done_and_undone(visit: Visit, system: System):
    isbn, new = isbn_of(105), isbn_of(5_000)
    desk = Desk(visit("/desk"))
    page = desk.page

    def undo(*texts: str) -> None:
        line = desk.expect_line("done", *texts)
        line.get_by_role("button", name="Undo").click()
        desk.expect_line("done", "This undoes an earlier line")
        expect(desk.line(1)).to_contain_text("Undone")
        expect(desk.line(1).get_by_role("button", name="Undo")).to_have_count(0)
        expect(desk.box).to_be_focused()

    before = system.get(f"/inventory/{isbn}")[1]
    desk.scan("reader-105", isbn)
    undo("Lent to reader-105")
    desk.scan("/lend", "reader-105", isbn)
    desk.expect_line("done", "Lent to")
    desk.scan("/return", isbn)
    undo("Returned by reader-105")
    happened(system, isbn, "BookBorrowed", "BookReturned", "BookBorrowed", "BookReturned", "BookBorrowed")
    desk.scan("/return", isbn)
    desk.expect_line("done", "Returned by")
    desk.scan("/copies", isbn)
    page.locator("#field-quantity").fill("3")
    page.keyboard.press("Enter")
    undo("3 copies added")
    desk.scan("/copies", isbn)
    page.get_by_label("What happens").select_option("sold")
    page.get_by_role("button", name="Withdraw the copies").click()
    undo("1 copy withdrawn: sold")
    desk.scan("/correct", isbn)
    page.locator("#field-title").fill("Another title")
    page.keyboard.press("Enter")
    undo("Details corrected", "Another title")
    desk.scan("/remove", isbn)
    page.get_by_role("button", name="Remove").click()
    undo("Removed from the inventory", before["title"])
    desk.scan("/add", new)
    page.locator("#field-title").fill("New here")
    page.keyboard.press("Enter")
    undo("Added with 1 copy", "New here")
    happened(system, new, "BookAdded", "BookRemoved")
    after = system.get(f"/inventory/{isbn}")[1]
    same = ("title", "author", "quantity", "available")
    assert [after[name] for name in same] == [before[name] for name in same]


def test_a_renewal_and_a_lost_copy_say_that_no_command_undoes_them(visit: Visit, system: System):
    status, answer = system.get("/loans?overdue=true&limit=100")
    assert status == 200
    loan = answer["items"][-1]
    isbn, user = loan["isbn"], loan["user_id"]
    desk = Desk(visit("/desk"))
    desk.scan("/renew", user, isbn)
    line = desk.expect_line("done", f"Renewed for {user}", "No command takes a renewal back")
    expect(line.get_by_role("button")).to_have_count(0)
    desk.scan(isbn)
    line = desk.expect_line("unchanged", "It is due as late as that already")
    expect(line.get_by_role("button")).to_have_count(0)
    desk.scan("/copies", isbn)
    desk.page.get_by_label("What happens").select_option("lost")
    desk.page.get_by_label("Lost by this borrower").fill(user)
    desk.page.get_by_role("button", name="Withdraw the copies").click()
    line = desk.expect_line("done", "1 copy withdrawn: lost", "If the copy turns up, add it under Copies")
    expect(line.get_by_role("button")).to_have_count(0)
    happened(system, isbn, "LoanRenewed", "CopiesWithdrawn")
