"""The query API's OpenAPI document: the common parts of its routes."""

import msgspec

from foundation.http.openapi import (
    Json,
    describe_headers,
    describe_validators,
    header_object,
    operations,
    problem_object,
    tag_operations,
)
from query_api.documents import Changes

_REFUSALS = {
    "400": "The request is malformed: the detail says what.",
    "403": "Pages of another origin may not use the service.",
    "421": "The Host header does not name this service.",
}
TAGS = {
    "inventory": (
        "Titles, their events and loans.",
        ("list_inventory", "get_title", "get_history", "list_differences", "list_loans", "search_loans",
            "get_patron"),
    ),
    "changes": (
        "Events as they happen, and past events.",
        ("follow_changes", "list_events", "get_event"),
    ),
    "evidence": (
        "Signed checkpoints of the events, and proofs.",
        ("list_checkpoints", "get_checkpoint", "get_consistency"),
    ),
    "schemas": (
        "A schema registry that can only be read.",
        (
            "schema_types", "schema_by_id", "schema_versions", "schema_subjects", "subjects",
            "subject_versions", "subject_version", "look_up_schema", "register_schema",
            "test_compatibility", "test_compatibility_all",
            "registry_config", "subject_config", "registry_mode", "subject_mode",
        ),
    ),
    "operation": (
        "How the service is.",
        ("stats", "operations", "metrics", "readiness", "health", "docs", "page_settings"),
    ),
}  # fmt: skip
NOT_STORED = {
    *(
        "follow_changes",
        "get_event",
        "get_history",
        "get_patron",
        "list_events",
        "list_loans",
        "metrics",
        "operations",
        "readiness",
    ),
    *("look_up_schema", "register_schema", "test_compatibility", "test_compatibility_all", "search_loans"),
}
"""Operations whose responses are `no-store`."""


def complete(document: Json) -> None:
    """Add the common parts to each route."""
    for _, _, operation in operations(document):
        responses = operation["responses"]
        if operation["operationId"] not in NOT_STORED:
            describe_validators(operation)
        for status, meaning in _REFUSALS.items():
            responses.setdefault(status, problem_object(meaning))
        position = header_object(
            "The position of the answer, `partition:offset` each; empty: it includes no event.", required=True
        )
        stale = header_object("Present while nothing new can be read: the reason. The answer may be old.")
        for response in responses.values():
            headers = response.setdefault("headers", {})
            headers |= {"Inventory-Position": position, "Inventory-Stale": stale}
    retry_after = header_object("Seconds after which to try again.", kind="integer")
    describe_headers(document, {"503": {"Retry-After": retry_after}})
    tag_operations(document, TAGS)
    _describe_past_changes(document)


def _describe_past_changes(document: Json) -> None:
    """Add the JSON page to the route that otherwise answers with a stream."""
    (schema,), components = msgspec.json.schema_components(
        [Changes], ref_template="#/components/schemas/{name}"
    )
    document["components"]["schemas"] |= components
    content = document["paths"]["/changes"]["get"]["responses"]["200"]["content"]
    content["application/json"] = {"schema": schema}
