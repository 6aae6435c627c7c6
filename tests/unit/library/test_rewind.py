"""Whose failure ends a replay."""

import pytest

from foundation.cli.app import CommandError
from library.system.members import is_worker_of, worker_name
from library.system.rewind import require_running
from schemas.tables import inventory_table


def process(name: str, state: str) -> dict[str, str]:
    return {"name": name, "state": state, "last_error": "exit code 65", "log": f"{name}.log"}


@pytest.mark.parametrize(("replayed", "other"), [(1, 2), (2, 1), (2, 20), (20, 2)])
@pytest.mark.parametrize("state", ["failed", "failing"])
def test_a_replay_ends_for_a_failed_worker_of_its_own_table_only(replayed: int, other: int, state: str):
    table, beside = inventory_table(replayed), inventory_table(other)
    for index in (0, 1):
        failed = process(worker_name(beside.group, index), state)
        require_running(table, [process(worker_name(table.group, 0), "running"), failed])
        with pytest.raises(CommandError, match="does not run: exit code 65"):
            require_running(beside, [failed])


def test_a_workers_name_belongs_to_one_table():
    names = [worker_name(inventory_table(table).group, index) for table in (1, 2, 12) for index in (0, 1, 12)]
    for name in names:
        assert len([table for table in (1, 2, 12) if is_worker_of(inventory_table(table).group, name)]) == 1
    assert not is_worker_of("projector", "projector-backup")
