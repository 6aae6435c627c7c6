"""Events as JSON: their own fields, with times that people can read."""

import json
from typing import Any, get_args

import pytest

from schemas import event_json
from schemas.codec import Schema
from schemas.event_json import event_data, time_fields
from schemas.events import BookBorrowed, CopiesWithdrawn, Event

ISBN, AT = "9781593275846", 1714564800123


def test_isbn_and_time_are_left_to_the_envelope_and_times_are_rfc_3339():
    assert event_data(BookBorrowed(ISBN, "ann", AT, AT + 1)) == {
        "user_id": "ann", "due_at": "2024-05-01T12:00:00.124Z",
    }  # fmt: skip


def test_a_field_that_is_not_set_is_left_out():
    assert event_data(CopiesWithdrawn(ISBN, 1, "sold", AT)) == {"quantity": 1, "reason": "sold"}
    assert event_data(CopiesWithdrawn(ISBN, 1, "lost", AT, "ann"))["user_id"] == "ann"


@pytest.mark.parametrize("kind", [kind.__name__ for kind in get_args(Event)])
def test_every_event_type_has_the_time_of_its_writing(kind: str):
    assert "timestamp" in time_fields(kind)


def test_time_fields_follow_the_committed_schema(monkeypatch: pytest.MonkeyPatch):
    time: dict[str, Any] = {"type": "long", "logicalType": "timestamp-millis"}
    fields = [
        {"name": "plain", "type": "long"},
        {"name": "always", "type": time},
        {"name": "sometimes", "type": ["null", time]},
    ]
    text = json.dumps({"type": "record", "name": "Later", "fields": fields})
    monkeypatch.setattr(event_json, "newest", lambda name: Schema(99, name, 1, text, {}))
    try:
        assert time_fields("Later") == {"always", "sometimes"}
    finally:
        time_fields.cache_clear()
