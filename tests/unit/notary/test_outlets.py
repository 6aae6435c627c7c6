from pathlib import Path

import pytest

from notary import outlets
from notary.outlets import CommandOutlet
from tests.support.waiting import eventually


def test_the_command_gets_each_note_and_at_last_the_newest(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    command = CommandOutlet(f"cat >>{taken}; echo >>{taken}")
    command.add("one", "first\n")
    command.add("other", "another\n")
    eventually(lambda: not command.pending)
    command.add("one", "second\n")
    command.close()
    assert taken.read_text().split() == ["first", "another", "second"]
    assert command.failures == 0


def test_a_command_that_fails_gets_the_newest_note_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outlets, "RETRY_INTERVAL_S", 0.05)
    away, taken = tmp_path / "away", tmp_path / "taken"
    away.touch()
    command = CommandOutlet(f"if test -e {away}; then echo witness is away >&2; exit 3; fi; cat >{taken}")
    command.add("one", "first\n")
    eventually(lambda: command.failures)
    command.add("one", "second\n")
    away.unlink()
    eventually(lambda: not command.pending)
    assert taken.read_text() == "second\n"
    assert "failed for one with 3: witness is away" in caplog.text
    command.close()


def test_a_command_that_fails_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    command = CommandOutlet("exit 1")
    command.add("one", "first\n")
    command.close()
    assert "has not taken 1 checkpoints" in caplog.text
