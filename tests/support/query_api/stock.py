"""A small inventory behind the query API's routes: one title with a loan, and one that was removed."""

from pathlib import Path

from schemas.events import BookAdded, BookBorrowed, BookRemoved
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

A, B = "9781593275846", "9781680502992"
AT = 1714564800123


def stocked_api(folder: Path) -> ApiWithoutKafka:
    return ApiWithoutKafka(
        folder,
        [
            BookAdded(A, "Elixir in Action", "Saša Jurić", 10, AT),
            BookAdded(B, "Programming Elixir", "Dave Thomas", 5, AT + 1),
            BookBorrowed(A, "user123", AT + 1000, AT + 99_000),
            BookRemoved(B, AT + 2000),
        ],
    )
