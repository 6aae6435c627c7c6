import json

import msgspec
import pytest
from msgspec.structs import replace

from eventstore.partitions import partition_of
from evidence.note import Verifier
from foundation.settings import Settings
from library.checks.title_proof import NotProved, TitleProof, check_title
from library.commands.prove import prove
from tests.support.evidence.proofs import prove_title
from tests.support.evidence.signed_records import KEY, NEXT_KEY, sample_records
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import numbered_isbn

PARTITIONS = 2
ISBN = numbered_isbn(0)
RECORDS = sample_records(PARTITIONS)
GOOD = prove_title(RECORDS, ISBN, PARTITIONS)
KEYS = [KEY.verifier]


def with_records(change):
    (proof,) = GOOD.proofs
    return replace(GOOD, proofs=[replace(proof, records=change(proof.records))])


def changed_leaf(records):
    first, *others = records
    return [replace(first, leaf=first.leaf[:-1] + b"x"), *others]


def changed_index(records):
    first, *others = records
    return [replace(first, index=first.index + 1), *others]


def test_a_proof_shows_the_versions_of_a_title():
    versions, newest = check_title(GOOD, KEYS)
    assert [one.version for one in versions] == [1, 2, 3, 4]
    assert [one.value for one in versions] == [r.value for r in RECORDS if r.key.startswith(ISBN.encode())]
    assert newest is not None


def test_events_after_the_checkpoint_are_not_proved():
    proof = prove_title(RECORDS, ISBN, PARTITIONS, size=5)
    versions, _ = check_title(proof, KEYS)
    assert len(versions) < proof.events == 4


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        (with_records(changed_leaf), "is not in the tree"),
        (with_records(changed_index), "is not in the tree"),
        (with_records(lambda records: [records[0], *records[2:]]), "version 2 is missing"),
        (with_records(lambda records: records[::-1]), "version 1 is missing"),
        (with_records(lambda records: [records[0], *records]), "version 2 is missing"),
        (prove_title(RECORDS, ISBN, PARTITIONS, signer=NEXT_KEY), "signed by none of the keys"),
        (replace(GOOD, isbn=numbered_isbn(1)), f"is of {ISBN}"),
        (replace(GOOD, events=3), "the document names 3"),
    ],
)
def test_a_forged_proof_is_refused(forged, why):
    with pytest.raises(NotProved, match=why):
        check_title(forged, KEYS)


def test_proofs_of_two_logs_do_not_prove_one_title():
    numbers = (numbered_isbn(number) for number in range(9))
    other = next(isbn for isbn in numbers if partition_of(isbn, PARTITIONS) != partition_of(ISBN, PARTITIONS))
    (proof,) = prove_title(RECORDS, other, PARTITIONS).proofs
    with pytest.raises(NotProved, match="two logs"):
        check_title(replace(GOOD, proofs=[*GOOD.proofs, replace(proof, records=[])]), KEYS)


def check(tmp_path, document, *options, key: Verifier = KEY.verifier):
    (tmp_path / "proof").write_bytes(document)
    # Nothing listens there: a proof is checked without any service
    offline = Settings(api="http://127.0.0.1:9")
    return run_command(prove, offline, "--check", str(tmp_path / "proof"), "--key", str(key), *options)


def test_the_command_prints_the_proved_events(tmp_path):
    done = check(tmp_path, msgspec.json.encode(GOOD), "--json")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["type"] for row in rows] == ["BookAdded", "CopiesAdded", "BookBorrowed", "BookReturned"]
    assert f"events 1 to 4 of {ISBN}" in done.stderr


def test_the_command_ends_with_4_for_a_forged_proof_and_with_65_for_none(tmp_path):
    assert check(tmp_path, msgspec.json.encode(GOOD), key=NEXT_KEY.verifier).exit_code == 4
    assert check(tmp_path, msgspec.json.encode(with_records(changed_leaf))).exit_code == 4
    assert check(tmp_path, b"{}").exit_code == 65
    assert check(tmp_path, b"no JSON").exit_code == 65


def test_the_document_reads_back():
    assert msgspec.json.decode(msgspec.json.encode(GOOD), type=TitleProof) == GOOD


def test_options_that_do_not_fit_together_are_refused():
    for options in ([], [ISBN, "--check", "x"], [ISBN, "--json"]):
        assert run_command(prove, Settings(api="http://127.0.0.1:9"), *options).exit_code == 2
