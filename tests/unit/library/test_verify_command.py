"""``library verify`` says what it lacks on this machine."""

import errno
import os

import click
import pytest

from foundation.settings import Settings
from library.checks import inventory_rows
from library.commands import verify
from schemas import tables, topics


def test_a_full_disk_names_the_folder_and_another_way(monkeypatch, tmp_path):
    def check(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Identity:
        source = "source"

    monkeypatch.setattr(inventory_rows, "check", check)
    monkeypatch.setattr(tables, "current_table", lambda *_: topics.INVENTORY)
    monkeypatch.setattr(topics, "identify", lambda *_, **__: Identity)
    monkeypatch.setattr(verify, "gettempdir", lambda: str(tmp_path))
    with pytest.raises(click.ClickException, match=f"{tmp_path}: .*No space left.*TMPDIR"):
        verify._compare(None, Settings(), {0: 1}, None, as_json=False)
