"""The expected inventory: an independent fold of the event store."""

import json
from hashlib import sha256
from typing import Any

from foundation.settings import Settings
from inventory.row_fold import fold
from schemas.reader import open_reader
from schemas.row import InventoryRow
from tests.support.library.installed_system import System


def folded_rows(settings: Settings) -> dict[str, InventoryRow]:
    """Fold every title from its first event."""
    rows: dict[str, InventoryRow] = {}
    with open_reader(settings=settings) as reader:
        for event in reader:
            isbn = event.event.isbn
            assert event.version == (rows[isbn].version if isbn in rows else 0) + 1, f"a gap in {isbn}"
            rows[isbn] = fold(rows.get(isbn), event.version, event.event)
    return rows


def as_api_item(row: InventoryRow) -> dict[str, Any]:
    """The row as the API must show it, without its time."""
    return {
        "isbn": row.isbn,
        "title": row.title,
        "author": row.author,
        "quantity": row.quantity,
        "available": row.available,
        "on_loan": len(row.loans),
        "version": row.version,
    }


def assert_as_folded(system: System) -> None:
    """Check that all pages of titles and loans equal the folded event store."""
    rows = folded_rows(system.settings)
    titles = [{k: v for k, v in item.items() if k != "updated_at"} for item in system.all("/inventory")]
    assert sorted(titles, key=lambda title: title["isbn"]) == [
        as_api_item(rows[isbn]) for isbn in sorted(rows) if not rows[isbn].removed
    ]
    loans = {(isbn, loan.user_id) for isbn, row in rows.items() for loan in row.loans}
    assert {(item["isbn"], item["patron"]) for item in system.all("/loans")} == loans
    assert len(loans) == len(system.all("/loans"))


def digest(system: System, histories: list[str]) -> str:
    """A digest of all pages of titles and loans, and of the histories of some titles."""
    said = [system.all("/inventory"), system.all("/loans")]
    said += [system.all(f"/inventory/{isbn}/history") for isbn in histories]
    return sha256(json.dumps(said).encode()).hexdigest()
