"""The documents' names in OpenAPI, which generated clients use."""

from pathlib import Path

from tests.support.query_api.api_without_kafka import ApiWithoutKafka


def test_documents_keep_their_published_names(tmp_path: Path):
    schemas = ApiWithoutKafka(tmp_path).ask("/openapi.json").json()["components"]["schemas"]
    published = {"Title", "Titles", "Held", "Happened", "History", "Loan", "Loans"}
    assert published <= schemas.keys()
    assert not any(name.endswith("Document") for name in schemas if name != "ProblemDocument")
    assert all(schemas[name]["title"] == name for name in published)
