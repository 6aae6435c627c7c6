"""Write state and inventory row are two folds of the same events; they must agree."""

from typing import get_args

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from inventory.commands import Command
from inventory.row_fold import fold
from inventory.rules import UNKNOWN, Rejection, Title, decide, evolve
from schemas.codec import decode, encode
from schemas.row import InventoryRow
from tests.support.command_strategies import commands_for

users = st.sampled_from(["ann", "bob", "eve"])
names = st.sampled_from(["A", "B"])
commands = commands_for(st.just("9781593275846"), names, names, users)
COMMON_FIELDS = set(Title.__struct_fields__) & set(InventoryRow.__struct_fields__) - {"loans"}


def agree(title: Title, row: InventoryRow | None) -> None:
    if row is None:
        assert title == UNKNOWN
        return
    assert row.removed == title.removed == (not title.present)
    if title.present:
        assert {name: getattr(row, name) for name in COMMON_FIELDS} == {
            name: getattr(title, name) for name in COMMON_FIELDS
        }
    assert (row.quantity, row.available) == (title.quantity, title.available)
    assert {loan.user_id: loan.due_at for loan in row.loans} == title.loans
    assert 0 <= row.available == row.quantity - len(row.loans)


@pytest.mark.parametrize("kind", get_args(Command))
def test_commands_of_every_type_are_tried(kind: type[Command]):
    assert isinstance(find(commands, lambda command: isinstance(command, kind)), kind)


@settings(max_examples=300, deadline=None)
@given(st.lists(commands, max_size=40))
def test_rules_and_fold_agree_and_every_accepted_event_can_be_folded(wanted: list[Command]):
    title, row, events = UNKNOWN, None, []
    for at, command in enumerate(wanted, 1):
        decided = decide(title, command, at, at * 10)
        if isinstance(decided, Rejection):
            continue
        for event in decided:
            assert decode(encode(event)) == event
            title = evolve(title, event)
            events.append(event)
            row = fold(row, len(events), event)
        agree(title, row)
    if row is not None:
        assert decode(encode(row)) == row

    replayed = row
    for version, event in enumerate(events, 1):
        replayed = fold(replayed, version, event)
    assert replayed == row


@given(st.lists(commands, max_size=25))
def test_decisions_are_deterministic(wanted: list[Command]):
    title = UNKNOWN
    for at, command in enumerate(wanted, 1):
        first = decide(title, command, at, at * 10)
        assert decide(title, command, at, at * 10) == first
        if not isinstance(first, Rejection):
            for event in first:
                title = evolve(title, event)
