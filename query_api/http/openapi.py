"""The query API's OpenAPI document: what its routes share."""

from foundation.http.openapi import Json, describe_validators, header_object, operations, problem_object

_REFUSALS = {
    "400": "The request is malformed: the detail says what.",
    "403": "Pages of another origin may not use the service.",
    "421": "The Host header does not name this service.",
}
NOT_STORED = {"follow_changes", "get_history", "list_loans", "metrics", "readiness"}
"""Operations whose responses are `no-store`."""


def complete(document: Json) -> None:
    """Add to each route what all have."""
    for _, _, operation in operations(document):
        responses = operation["responses"]
        if operation["operationId"] not in NOT_STORED:
            describe_validators(operation)
        for status, meaning in _REFUSALS.items():
            responses.setdefault(status, problem_object(meaning))
        for status, response in responses.items():
            headers = response.setdefault("headers", {})
            headers["Inventory-Position"] = header_object(
                "What the answer includes, `partition:offset` each; empty: nothing.", required=True
            )
            headers["Inventory-Stale"] = header_object(
                "Present while nothing new can be read: the reason. The answer may be old."
            )
            if status == "503":
                headers["Retry-After"] = header_object("Seconds after which to try again.", kind="integer")
