"""Outcomes as HTTP answers, and back."""

from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never
from urllib.parse import quote

import msgspec

from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Receipt, Refused, Reused, Unwritable
from foundation.http.problem import PROBLEM_JSON, Problem
from inventory.rules import Rejection
from producer.receipt import ReceiptDocument

Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
REPLAYED = "idempotency-replayed"
RETRY = {"Retry-After": "1"}
REUSED, UNKNOWN, UNWRITABLE = "reused_id", "outcome_unknown", "unwritable"
UNAVAILABLE, FULL, STOPPING = "unavailable", "full", "stopping"
"""Codes of problems that no rule has; with the last three nothing was done, and may be a moment later."""

_encoded = msgspec.json.Encoder().encode
_read_receipt = msgspec.json.Decoder(ReceiptDocument).decode
_read_problem = msgspec.json.Decoder(dict[str, object]).decode


class HttpResponse(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Headers
    body: bytes


def answer(outcome: Outcome, command_id: str, isbn: str) -> HttpResponse:
    """What a command's caller is told."""
    match outcome:
        case Accepted(receipt, replayed):
            return receipt_answer(receipt, replayed)
        case Refused(rejection):
            borrowers = rejection.borrowers if isinstance(rejection, Rejection) else ()
            more: dict[str, Any] = {"borrowers": list(borrowers)} if borrowers else {}
            return problem_answer(Problem(409, rejection.code, rejection.message, **more))
        case Reused():
            detail = "this title has had a command with this Idempotency-Key and another body: use a new key"
            return problem_answer(Problem(422, REUSED, detail))
        case Unwritable(reason):
            return problem_answer(Problem(503, UNWRITABLE, reason))
        case OutcomeUnknown(reason, True):
            where = {"Location": location(command_id, isbn), **RETRY}
            detail = f"it is not known yet whether this was done ({reason}): repeat it with the same key"
            return problem_answer(Problem(504, UNKNOWN, detail, headers=where, reason=reason))
        case OutcomeUnknown(reason):
            detail = f"nothing was done, Kafka can't be used at the moment ({reason}): try again"
            return problem_answer(Problem(503, UNAVAILABLE, detail, headers=RETRY, reason=reason))
        case _:
            assert_never(outcome)


def receipt_answer(receipt: Receipt, replayed: bool = False) -> HttpResponse:
    """A receipt as it is sent: 201 for events, 200 where none was needed and nothing was created."""
    headers = [JSON, (b"inventory-position", receipt.position.encode())]
    if replayed:
        headers.append((REPLAYED.encode(), b"true"))
    if receipt.events:
        headers.append((b"location", location(receipt.command_id, receipt.stream).encode()))
    return HttpResponse(201 if receipt.events else 200, headers, _encoded(ReceiptDocument.of(receipt)))


def problem_answer(problem: Problem) -> HttpResponse:
    """A problem as it is sent."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    return HttpResponse(problem.status, [(b"content-type", PROBLEM_JSON.encode()), *headers], problem.body())


def location(command_id: str, isbn: str) -> str:
    """Where a command's receipt can be read."""
    return f"/commands/{quote(command_id, safe='')}?isbn={isbn}"


def outcome(status: int, headers: Mapping[str, str], body: bytes, command_id: str) -> Outcome | None:
    """What a gateway's answer to a command means; None: nothing that a gateway says of an outcome."""
    try:
        if status in (200, 201):
            # Names of headers have no case, and servers send them as they like
            sent = {name.lower(): value for name, value in headers.items()}
            return Accepted(_read_receipt(body).receipt(), sent.get(REPLAYED) == "true")
        problem = _read_problem(body)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (msgspec.MsgspecError, LookupError):
        return None
    reason = str(problem.get("reason", detail))
    match status, code:
        case 409, _:
            borrowers = problem.get("borrowers", [])
            named = tuple(str(name) for name in borrowers) if isinstance(borrowers, list) else ()
            return Refused(Rejection(code, detail, named))
        case 422, _ if code == REUSED:
            return Reused(command_id)
        case 503, _ if code == UNWRITABLE:
            return Unwritable(detail)
        case 503, _ if code in (UNAVAILABLE, FULL, STOPPING):
            return OutcomeUnknown(reason, sent=False)
        case 504, _ if code == UNKNOWN:
            return OutcomeUnknown(reason)
        case _:
            return None
