"""Results of commands about borrowers as HTTP responses, and back."""

from typing import assert_never

import msgspec

from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from foundation.http.problem import Problem
from foundation.http.responses import HttpResponse
from foundation.text import Malformed
from inventory.patrons import PatronState
from producer.gateway.responses import JSON, OUTCOME_UNKNOWN, RETRY_LATER, UNAVAILABLE, UNWRITABLE
from producer.names.forgetting import PatronResult as PatronResult
from producer.receipt import PatronDocument
from schemas.times import parse_time

NO_NAMES = "no_names"
OPEN_LOANS = "open_loans"
_encode = msgspec.json.Encoder().encode
_decode_document = msgspec.json.Decoder(PatronDocument).decode
_decode_problem = msgspec.json.Decoder(dict[str, object]).decode


class NoNames(Exception):
    """The store has user ids in its events."""

    def __init__(self) -> None:
        super().__init__(
            "the events of this store name their borrowers, and can't forget them: "
            "`library restore FILE --pseudonymise` copies a backup into a store that can"
        )


def render_patron(command_id: str, result: PatronResult) -> HttpResponse:
    """The response to a command about a borrower. Raises Problem for one that was not carried out."""
    match result:
        case PatronState(state="open_loans"):
            isbns = list(result.isbns)
            raise Problem(409, OPEN_LOANS, open_loans(result), isbns=isbns)
        case PatronState():
            return HttpResponse(200, [JSON], _encode(PatronDocument.of(command_id, result)))
        case Unwritable(reason):
            raise Problem(503, UNWRITABLE, reason)
        case OutcomeUnknown(reason, True):
            detail = f"it is not known yet whether this was done ({reason}): repeat it"
            raise Problem(504, OUTCOME_UNKNOWN, detail, headers=RETRY_LATER, reason=reason)
        case OutcomeUnknown(reason):
            detail = f"it was not carried out to its end ({reason}): repeat it"
            raise Problem(503, UNAVAILABLE, detail, headers=RETRY_LATER, reason=reason)
        case _:
            assert_never(result)


def open_loans(state: PatronState) -> str:
    """Why a borrower was not forgotten, for people."""
    return (
        f"this borrower has {', '.join(state.isbns)} on loan and was not forgotten: take that back first, or "
        "let the last return forget the borrower: `library patron forget USER --when-returned`, "
        '"when_returned": true over HTTP'
    )


def parse_patron(status: int, body: bytes, url: str) -> PatronResult:
    """The result in the response of the gateway at ``url``. Raises Malformed, and NoNames."""
    try:
        if status == 200:
            found = _decode_document(body)
            at = parse_time(found.forgotten_at) if found.forgotten_at else 0
            return PatronState(found.state, found.patron or "", at, found.isbns)
        problem = _decode_problem(body)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (msgspec.MsgspecError, LookupError):
        return OutcomeUnknown(f"{url} answered with status {status}")
    match status, code:
        case 409, _ if code == OPEN_LOANS:
            isbns = problem.get("isbns", [])
            return PatronState("open_loans", isbns=tuple(map(str, isbns)) if isinstance(isbns, list) else ())
        case 409, _ if code == NO_NAMES:
            raise NoNames
        case 400, _:
            raise Malformed(str(problem.get("field", "")), detail)
        case 503, _ if code == UNWRITABLE:
            return Unwritable(detail)
        case _:
            return OutcomeUnknown(f"{url}: {detail}", sent=status != 503)
