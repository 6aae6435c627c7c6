"""An independent implementation of the library's rules, for the checker.

A title is a plain value; a command is the JSON that was sent. Shares no code with ``inventory``.
"""

from typing import Any, NamedTuple

UNCHANGED = "unchanged"


class Title(NamedTuple):
    """State of a title; ``loans`` are the borrowers."""

    version: int = 0
    present: bool = False
    title: str = ""
    author: str = ""
    quantity: int = 0
    loans: frozenset[str] = frozenset()


NOTHING = Title()


def possible(title: Title, command: dict[str, Any]) -> set[str]:
    """Allowed answers: the type of one event, ``unchanged``, or the code of a refusal."""
    if command["type"] == "AddBook":
        if not title.present:
            return {"BookAdded"}
        same = (title.title, title.author, title.quantity)
        return {UNCHANGED if same == _details(command) else "already_added"}
    if not title.present:
        return {"removed" if title.version else "unknown_title"}
    return _of_loans(title, command) or _of_copies(title, command)


def _of_loans(title: Title, command: dict[str, Any]) -> set[str]:
    user = command.get("user_id")
    match command["type"]:
        case "BorrowBook":
            if user in title.loans:
                return {"already_borrowed"}
            return {"BookBorrowed" if _on_shelf(title) else "none_available"}
        case "ReturnBook":
            if user is None and len(title.loans) > 1:
                return {"which_loan"}
            open_loan = len(title.loans) == 1 if user is None else user in title.loans
            return {"BookReturned" if open_loan else "not_on_loan"}
        case "RenewLoan":
            # The clock decides whether the new due date is later
            return {"LoanRenewed", UNCHANGED} if user in title.loans else {"not_on_loan"}
    return set()


def _of_copies(title: Title, command: dict[str, Any]) -> set[str]:
    match command["type"]:
        case "RemoveBook":
            return {"on_loan" if title.loans else "BookRemoved"}
        case "AddCopies":
            return {"CopiesAdded"}
        case "WithdrawCopies":
            if command.get("user_id") is not None:
                return {"CopiesWithdrawn" if command["user_id"] in title.loans else "not_on_loan"}
            return {"CopiesWithdrawn" if command["quantity"] <= _on_shelf(title) else "none_available"}
        case "CorrectDetails":
            same_title = command.get("title") in (None, title.title)
            same_author = command.get("author") in (None, title.author)
            return {UNCHANGED if same_title and same_author else "DetailsCorrected"}
    raise ValueError(f"no command: {command}")


def _on_shelf(title: Title) -> int:
    return title.quantity - len(title.loans)


def after(title: Title, kind: str, event: dict[str, Any]) -> Title:
    """The title after an event of the log."""
    title = title._replace(version=title.version + 1)
    user = event.get("user_id")
    match kind:
        case "BookAdded":
            return Title(title.version, True, event["title"], event["author"], event["quantity"])
        case "BookRemoved":
            return Title(title.version)
        case "BookBorrowed":
            return title._replace(loans=title.loans | {user})
        case "BookReturned":
            return title._replace(loans=title.loans - {user})
        case "CopiesAdded":
            return title._replace(quantity=title.quantity + event["quantity"])
        case "CopiesWithdrawn":
            return title._replace(quantity=title.quantity - event["quantity"], loans=title.loans - {user})
        case "DetailsCorrected":
            return title._replace(title=event["title"], author=event["author"])
        case "LoanRenewed":
            return title
    raise ValueError(f"no event: {kind}")


def carries_out(command: dict[str, Any], event: dict[str, Any], before: Title) -> bool:
    """Whether the event's content matches the command."""
    wanted = {name: value for name, value in command.items() if name != "type" and value is not None}
    if command["type"] == "CorrectDetails":
        wanted = {"title": before.title, "author": before.author} | wanted
    if command["type"] == "ReturnBook" and command.get("user_id") is None:
        wanted["user_id"] = next(iter(before.loans))
    return all(event.get(name) == value for name, value in wanted.items())


def _details(command: dict[str, Any]) -> tuple[str, str, int]:
    return command["title"], command["author"], command["quantity"]
