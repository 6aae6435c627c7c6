"""Checkpoints and proofs over HTTP."""

from base64 import b64decode

import msgspec
import pytest

from evidence.checkpoint import open_checkpoint
from evidence.merkle import check_consistency
from evidence.proof import Proof
from library.checks.title_proof import TitleProof, check_title
from schemas.events import BookAdded, CopiesAdded, Event
from tests.support.evidence.signed_records import KEY
from tests.support.query_api.api_without_kafka import PARTITIONS, ApiWithoutKafka
from tests.support.query_api.stock_evidence import StockEvidence

A, B = "9781593275846", "9781680502992"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    events: list[Event] = [
        BookAdded(A, "T", "A", 1, 1),
        *(CopiesAdded(A, 1, 2 + n) for n in range(8)),
        BookAdded(B, "U", "A", 1, 20),
    ]
    return ApiWithoutKafka(tmp_path_factory.mktemp("api"), events)


def proof_of(answer: dict) -> TitleProof:
    document = {"checkpoint": answer["proof"]["checkpoint"], "records": answer["proof"]["events"]}
    return TitleProof(answer["isbn"], len(answer["items"]), [msgspec.convert(document, Proof)])


def test_a_history_with_proof_proves_its_events(api: ApiWithoutKafka):
    answer = api.ask(f"/inventory/{A}/history?proof=true").json()
    versions, _ = check_title(proof_of(answer), [KEY.verifier])
    assert (
        [one.version for one in versions] == [item["version"] for item in answer["items"]] == [*range(1, 10)]
    )


def test_a_history_has_no_proof_unless_it_is_asked_for(api: ApiWithoutKafka):
    for query in ("", "?proof=false"):
        assert "proof" not in api.ask(f"/inventory/{A}/history{query}").json()


def test_a_page_of_a_history_has_the_proof_of_its_events(api: ApiWithoutKafka):
    answer = api.ask(f"/inventory/{A}/history?proof=true&limit=2").json()
    assert [event["version"] for event in answer["proof"]["events"]] == [1, 2]


def test_checkpoints_are_signed_notes(api: ApiWithoutKafka):
    items = api.ask("/checkpoints").json()["items"]
    assert items
    for item in items:
        checkpoint = open_checkpoint(item["note"], [KEY.verifier])
        assert (checkpoint.size, checkpoint.root) == (item["size"], b64decode(item["root"]))
        assert api.ask(f"/checkpoints/{item['partition']}").json() == item


def test_a_consistency_proof_leads_from_one_root_to_the_next(api: ApiWithoutKafka):
    (item,) = [item for item in api.ask("/checkpoints").json()["items"] if item["size"] >= 9]
    place, evidence = item["partition"], StockEvidence(api, uncovered=item["size"] - 4)
    old, size = evidence.checkpoints()[place].checkpoint, item["size"]
    for query in (f"from=4&to={size}", "from=4"):
        answer = api.ask(f"/checkpoints/{place}/consistency?{query}").json()
        assert (answer["from"], answer["to"]) == (4, size)
        check_consistency(4, size, list(map(b64decode, answer["path"])), old.root, b64decode(item["root"]))


def test_what_can_not_be_proved_is_a_problem(api: ApiWithoutKafka):
    signed = [item["partition"] for item in api.ask("/checkpoints").json()["items"]]
    place, free = signed[0], next(p for p in range(PARTITIONS) if p not in signed)
    for path, status, code in (
        (f"/checkpoints/{place}/consistency?from=2&to=1", 400, "bad_range"),
        (f"/checkpoints/{place}/consistency?from=0&to=1000", 404, "too_few_events"),
        (f"/checkpoints/{free}", 404, "no_checkpoint"),
        ("/checkpoints/99", 400, "bad_position"),
    ):
        answer = api.ask(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
