"""The documents: their names in OpenAPI, which generated clients use, and the fields of a title."""

from pathlib import Path

from msgspec.structs import asdict, fields, replace

from query_api.documents import TITLE_COLUMNS, title_document
from schemas.row import Held, InventoryRow
from schemas.times import rfc3339
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

ROW = InventoryRow("9781593275846", "", "", 0, 0, (), False, 0, 0)
NOT_SHOWN = {"loans", "removed"}
"""Fields of a row that a title's document leaves out: /loans lists the loans, and a removed title is 410."""


def test_documents_keep_their_published_names(tmp_path: Path):
    schemas = ApiWithoutKafka(tmp_path).ask("/openapi.json").json()["components"]["schemas"]
    published = {"Title", "Titles", "Held", "Happened", "History", "Loan", "Loans"}
    assert published <= schemas.keys()
    assert not any(name.endswith("Document") for name in schemas if name != "ProblemDocument")
    assert all(schemas[name]["title"] == name for name in published)


def test_a_titles_document_shows_every_field_of_its_row():
    """Also one that was added just now: the row has a value of its type."""
    values = {str: "text", int: 7, bool: True, Held | None: Held(7, 7, "text")}
    shown = [field for field in fields(InventoryRow) if field.name not in NOT_SHOWN]
    row = replace(ROW, **{field.name: values[field.type] for field in shown})
    document = asdict(title_document(row))
    for name in [field.name for field in shown]:
        match getattr(row, name):
            case Held() as held:
                assert asdict(document[name]) == asdict(held)
            case value:
                assert document[name] == (rfc3339(value) if name == "updated_at" else value), name


def test_the_columns_of_titles_keep_their_order():
    assert TITLE_COLUMNS[:6] == ("isbn", "title", "author", "quantity", "available", "on_loan")
