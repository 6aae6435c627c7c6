"""The system works with the printed ACLs and one user per service."""

import json
import urllib.request
from pathlib import Path

from msgspec.structs import replace

from foundation.settings import Settings
from library.process.ports import HOST, free_port
from schemas.reader import open_reader
from tests.support.waiting import eventually
from tests.system.security.conftest import PATRON_LOANS
from tests.system.security.processes import library, running_service
from tests.system.security.secured_broker import as_user

ISBN = "9781593275846"


def row(port: int) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/inventory/{ISBN}", timeout=10) as answer:
            found: dict[str, object] = json.load(answer)
    except OSError:
        return {}
    return found


def done(settings: Settings, *command: str) -> str:
    """Run a command that must succeed; return both outputs."""
    ended = library(settings, *command)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_each_service_works_with_only_its_own_users_rights(shared: Settings, tmp_path: Path) -> None:
    port, gateway_port = free_port(), free_port()
    writer = replace(
        as_user("library-writer", shared),
        gateway=f"http://{HOST}:{gateway_port}",
        gateway_port=gateway_port,
        data_dir=str(tmp_path / "writer"),
    )
    api = replace(as_user("library-api", shared), port=port)
    with (
        running_service(writer, tmp_path / "gateway.log", "producer", "gateway"),
        running_service(as_user("library-projector", shared), tmp_path / "projector.log", "projector"),
        running_service(api, tmp_path / "api.log", "query_api"),
    ):
        # By a fence of its own, then through the gateway
        done(replace(writer, gateway=""), "add", ISBN, "Elixir in Action", "", "10")
        done(writer, "borrow", ISBN, "ann")
        eventually(lambda: row(port).get("available") == 9)
        operator = replace(shared, api=f"http://{HOST}:{port}", gateway="")
        done(operator, "topics", "create")
        assert "library.events" in done(operator, "topics", "describe")
        assert "broken" not in done(operator, "doctor")
        done(operator, "verify")
        another = ("--projection", PATRON_LOANS)
        done(operator, "topics", "create", *another)
        with running_service(
            as_user("library-patron-loans", shared), tmp_path / "loans.log", "projector", *another
        ):
            assert "1 rows match" in done(operator, "verify", *another)

    with open_reader("overdue", settings=as_user("reporting", shared)) as reader:
        events = reader.follow()
        assert [(event.type, event.version) for event in (next(events), next(events))] == [
            ("BookAdded", 1),
            ("BookBorrowed", 2),
        ]
    notary = replace(as_user("library-notary", shared), data_dir=str(tmp_path / "notary"))
    key = done(notary, "notary", "--new-key").strip()
    assert "signed 2 events" in done(notary, "notary", "--once")
    checkpoints = tmp_path / "notary" / "notary" / "checkpoints"
    done(operator, "verify", "--checkpoints", str(checkpoints), "--key", key)
    done(operator, "replay", "--to-beginning")
    assert "2 events" in done(operator, "backup", str(tmp_path / "store.backup"))
    # The writer may fill a store, not make its topics
    assert "restored and compared 2" in done(writer, "restore", str(tmp_path / "store.backup"))
