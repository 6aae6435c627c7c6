"""Events in the replica."""

from pathlib import Path

import pytest

from query_api.queries.history import events_of
from query_api.replica.events import StoredEvent, packed_digest, put_events
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

ISBN = "9781593275846"
OWN = "0123456789abcdef" * 2


@pytest.mark.parametrize("digest", [OWN, OWN.upper(), "digest", "ab", "", "0x1", "a b", "ä" * 16, "12 34"])
def test_the_history_has_the_digest_that_the_record_has(tmp_path: Path, digest: str):
    api = ApiWithoutKafka(tmp_path, [])
    stored = StoredEvent(0, 1, ISBN, 1, 0, "unknown", "c", None, "damaged", digest=digest)
    with api.replica.batch(api.replica.progress, {}) as db:
        put_events(db, [stored])
    (event,), _ = events_of(api.replica.connect(), int(ISBN), 1, 0)
    assert event.command_digest == digest
    assert api.replica.find_damage(lambda: False) is None


def test_a_digest_of_ours_takes_half_of_its_characters():
    assert packed_digest(OWN) == b"\x01" + bytes.fromhex(OWN)
