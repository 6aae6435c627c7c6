"""A title explained, two moments compared and a past range listed, all read from a real Kafka."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click import Command
from msgspec.structs import replace

from foundation.settings import Settings
from library.commands.diff import diff
from library.commands.explain import explain
from schemas.events import BookAdded, BookBorrowed, BookRemoved, CopiesAdded
from schemas.times import rfc3339
from tests.support.library.command_runner import run_command
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.loan_traffic import AT, NUMBERS, running_api, store_writer

A, B, C = NUMBERS[:3]


@pytest.fixture
def api(settings: Settings) -> Iterator[ApiProcess]:
    writer = store_writer(settings)
    writer.commit(BookAdded(A, "T", "A", 1, AT), BookAdded(B, "Gone", "", 1, AT))
    writer.abort(CopiesAdded(A, 99, AT + 1))
    writer.commit(BookBorrowed(A, "ann", AT + 10, AT + 99), BookRemoved(B, AT + 10))
    writer.commit(BookAdded(C, "Late", "", 1, AT + 20))
    with running_api(settings) as started:
        yield started


def test_what_happened_is_explained_compared_and_listed(settings: Settings, api: ApiProcess):
    def lines(program: Command, *arguments: str) -> list[dict[str, Any]]:
        done = run_command(program, replace(settings, api=api.url), *arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    added, borrowed, *refused = lines(explain, A)
    assert (added["command_id"], added["command_digest"]) == ("command-1", "digest")
    assert (borrowed["before"], borrowed["after"]["loans"]) == (added["after"], {"ann": rfc3339(AT + 99)})
    reasons = {line["command"]: line["code"] for line in refused}
    assert reasons[f"borrow {A} somebody"] == "none_available"
    assert reasons[f"remove {A}"] == "on_loan"
    changes = lines(diff, "--from", rfc3339(AT), "--to", rfc3339(AT + 20))
    assert {line["isbn"]: line["change"] for line in changes} == {A: "changed", B: "removed", C: "added"}
    past = api.client.get(f"/changes?from={rfc3339(AT + 1)}&to={rfc3339(AT + 10)}").json()["items"]
    assert {(change["isbn"], change["type"]) for change in past} == {(A, "BookBorrowed"), (B, "BookRemoved")}
