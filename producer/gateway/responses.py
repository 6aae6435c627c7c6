"""Outcomes as HTTP responses, and back."""

from collections.abc import Mapping
from typing import Any, assert_never
from urllib.parse import quote

import msgspec

from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Receipt, Refused, Reused, Unwritable
from foundation.http.problem import Problem
from foundation.http.responses import HttpResponse, render_problem
from inventory.rules import Rejection
from producer.receipt import ReceiptDocument

JSON = (b"content-type", b"application/json")
REPLAYED_HEADER = "idempotency-replayed"
RETRY_LATER = {"Retry-After": "1"}

# Codes of problems that no rule has
REUSED_ID = "reused_id"
OTHER_ACTOR = "other_actor"
OUTCOME_UNKNOWN = "outcome_unknown"
UNWRITABLE = "unwritable"
# With these nothing was done, and a repeat may be accepted a moment later
UNAVAILABLE = "unavailable"
FULL = "full"
STOPPING = "stopping"

_encode = msgspec.json.Encoder().encode
_decode_receipt = msgspec.json.Decoder(ReceiptDocument).decode
_decode_problem = msgspec.json.Decoder(dict[str, object]).decode


def render_response(outcome: Outcome, command_id: str, isbn: str) -> HttpResponse:
    """The response to a command's caller."""
    match outcome:
        case Accepted(receipt, replayed):
            return render_receipt(receipt, replayed)
        case Refused(rejection):
            borrowers = rejection.borrowers if isinstance(rejection, Rejection) else ()
            more: dict[str, Any] = {"borrowers": list(borrowers)} if borrowers else {}
            return render_problem(Problem(409, rejection.code, rejection.message, **more))
        case Reused():
            detail = "this title has had a command with this Idempotency-Key and another body: use a new key"
            return render_problem(Problem(422, REUSED_ID, detail))
        case Unwritable(reason):
            return render_problem(Problem(503, UNWRITABLE, reason))
        case OutcomeUnknown(reason, True):
            headers = {"Location": location(command_id, isbn), **RETRY_LATER}
            detail = f"it is not known yet whether this was done ({reason}): repeat it with the same key"
            return render_problem(Problem(504, OUTCOME_UNKNOWN, detail, headers=headers, reason=reason))
        case OutcomeUnknown(reason):
            detail = f"nothing was done, Kafka can't be used at the moment ({reason}): try again"
            return render_problem(Problem(503, UNAVAILABLE, detail, headers=RETRY_LATER, reason=reason))
        case _:
            assert_never(outcome)


def render_receipt(receipt: Receipt, replayed: bool = False) -> HttpResponse:
    """A receipt: 201 where it has events, 200 where none was needed and nothing was created."""
    headers = [JSON, (b"inventory-position", receipt.position.encode())]
    if replayed:
        headers.append((REPLAYED_HEADER.encode(), b"true"))
    if receipt.events:
        headers.append((b"location", location(receipt.command_id, receipt.stream).encode()))
    return HttpResponse(201 if receipt.events else 200, headers, _encode(ReceiptDocument.of(receipt)))


def location(command_id: str, isbn: str) -> str:
    """The path of a command's receipt."""
    return f"/commands/{quote(command_id, safe='')}?isbn={isbn}"


def parse_response(status: int, headers: Mapping[str, str], body: bytes, command_id: str) -> Outcome | None:
    """The outcome in a gateway's response to a command; None if it is no response that a gateway gives."""
    try:
        if status in (200, 201):
            # Header names are case-insensitive, and servers differ
            by_name = {name.lower(): value for name, value in headers.items()}
            return Accepted(_decode_receipt(body).receipt(), by_name.get(REPLAYED_HEADER) == "true")
        problem = _decode_problem(body)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (msgspec.MsgspecError, LookupError):
        return None
    reason = str(problem.get("reason", detail))
    match status, code:
        case 409, _:
            borrowers = problem.get("borrowers", [])
            names = tuple(str(name) for name in borrowers) if isinstance(borrowers, list) else ()
            return Refused(Rejection(code, detail, names))
        case 403, _ if code == OTHER_ACTOR:
            return Refused(Rejection(code, detail))
        case 422, _ if code == REUSED_ID:
            return Reused(command_id)
        case 503, _ if code == UNWRITABLE:
            return Unwritable(detail)
        case 503, _ if code in (UNAVAILABLE, FULL, STOPPING):
            return OutcomeUnknown(reason, sent=False)
        case 504, _ if code == OUTCOME_UNKNOWN:
            return OutcomeUnknown(reason)
        case _:
            return None
