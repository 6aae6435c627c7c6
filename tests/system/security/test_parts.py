"""The system works with the printed ACLs and one user per service."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from eventstore.partitions import partition_of
from foundation.cli import exits
from foundation.settings import Settings
from library.process.ports import HOST, free_port
from schemas.reader import open_reader
from schemas.tables import inventory_table
from tests.support.projector.topic_damage import write_changelog
from tests.support.waiting import eventually
from tests.system.security.conftest import PATRON_LOANS
from tests.system.security.processes import library, running_service
from tests.system.security.secured_broker import ADMIN, as_user

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


def report(port: int) -> dict[str, Any]:
    """What the service says of itself at /readyz; nothing while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, urllib.error.HTTPError):
        return {}
    return found


def test_an_audit_and_a_second_table_work_with_only_their_users_rights(
    shared: Settings, tmp_path: Path
) -> None:
    port, audit_port = free_port(), free_port()
    api = replace(
        as_user("library-api", shared), port=port, audit_port=audit_port, data_dir=str(tmp_path / "api")
    )
    projector = replace(as_user("library-projector", shared), data_dir=str(tmp_path / "projector"))
    operator = replace(shared, api=f"http://{HOST}:{port}", gateway="", data_dir=str(tmp_path / "operator"))
    other = "9781680502992"
    writer = replace(as_user("library-writer", shared), gateway="", data_dir=str(tmp_path / "writer"))
    done(writer, "add", other, "Programming Elixir", "", "5")
    with (
        running_service(projector, tmp_path / "projector.log", "projector"),
        running_service(api, tmp_path / "api.log", "query_api"),
        running_service(api, tmp_path / "audit.log", "audit"),
    ):
        eventually(lambda: report(audit_port).get("rows_compared"))
        assert report(audit_port)["trouble"] == ""
        assert "rows match their events" in done(api, "audit", "--once")
        assert "rows match their events" in done(operator, "audit", "--once")

        done(operator, "rebuild", "start")
        second = ("projector", "--table", "newest", "--index", "1")
        with running_service(projector, tmp_path / "second.log", *second):
            eventually(lambda: "0 of" in done(operator, "rebuild", "diff"), pause=0.5)
            done(operator, "rebuild", "switch")
            assert report(port)["table"] == 2
            group = inventory_table(2).group_id(shared)
            eventually(lambda: report(audit_port).get("group") == group)
            lost = [(other.encode(), None)]
            write_changelog(as_user(ADMIN, shared), partition_of(other, 2), lost, inventory_table(2))
            found = eventually(lambda: report(audit_port).get("details"))
            assert [one["isbn"] for one in found] == [other]
            assert library(operator, "audit", "--once").returncode == exits.NOT_FOUND
            # A busy Kafka may not answer one pass in time; a right that is missing would fail each of them
            eventually(lambda: report(audit_port)["trouble"] == "")
            # The title's next event writes its row again
            done(writer, "copies", "add", other, "1")
            eventually(lambda: report(audit_port).get("differences") == 0)
            # Who reads for all sees the audit's group, and those of both tables
            groups = done(operator, "groups")
            assert {"library-audit", "library-projector", group} <= {*groups.split()}
            assert "table 1 was freed" in done(operator, "rebuild", "drop", "--yes")
