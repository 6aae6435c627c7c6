"""The documents: their names in OpenAPI, which generated clients use, and the fields of a title."""

from pathlib import Path

from query_api.documents import TITLE_COLUMNS, TitleDocument
from schemas.row import InventoryRow
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

NOT_SHOWN = {"loans", "removed"}
"""Fields of a row that a title's document leaves out: /loans lists the loans, and a removed title is 410."""


def test_documents_keep_their_published_names(tmp_path: Path):
    schemas = ApiWithoutKafka(tmp_path).ask("/openapi.json").json()["components"]["schemas"]
    published = {"Title", "Titles", "Held", "Happened", "History", "Loan", "Loans"}
    assert published <= schemas.keys()
    assert not any(name.endswith("Document") for name in schemas if name != "ProblemDocument")
    assert all(schemas[name]["title"] == name for name in published)


def test_a_titles_document_shows_every_field_of_its_row():
    assert set(InventoryRow.__struct_fields__) - set(TitleDocument.__struct_fields__) == NOT_SHOWN


def test_the_columns_of_titles_keep_their_order():
    assert TITLE_COLUMNS[:6] == ("isbn", "title", "author", "quantity", "available", "on_loan")
