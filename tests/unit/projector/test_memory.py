"""How much memory the rows of a worker may take."""

import pytest

from foundation.settings import Settings
from projector import memory
from projector.memory import memory_budget


def test_the_memory_is_the_setting_or_a_share_of_the_machine(monkeypatch, tmp_path):
    assert memory_budget(Settings(projector_memory=5_000_000)) == 5_000_000
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", (limit, tmp_path / "missing"))
    limit.write_text("max\n")
    assert memory.machine_memory() > 1 << 28
    limit.write_text(f"{1 << 26}\n")
    assert memory.machine_memory() == 1 << 26
    assert memory_budget(Settings()) == memory.LEAST_BYTES


def test_a_memory_that_is_meant_in_megabytes_is_refused():
    with pytest.raises(ValueError, match="at least 1000000 bytes, not 512"):
        Settings(projector_memory=512)
