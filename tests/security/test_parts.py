"""With the printed ACLs, each part as a user of its own: the system works."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from inventory.commands import AddBook, BorrowBook
from library.ports import HOST, free_port
from producer.outcomes import Accepted, submit
from producer.writer import Writer
from schemas.partitions import partition_of
from schemas.reader import Reader
from schemas.settings import Settings
from tests.security.programs import environment, library
from tests.security.secured import as_user
from tests.waiting import eventually

ISBN = "9781593275846"


@contextmanager
def running(settings: Settings, log: Path, *module: str) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def row(port: int) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/inventory/{ISBN}", timeout=10) as answer:
            found: dict[str, object] = json.load(answer)
    except OSError:
        return {}
    return found


def test_each_part_works_as_its_own_user(shared: Settings, tmp_path: Path) -> None:
    writer = Writer(as_user("library-writer", shared), partition_of(ISBN, shared.partitions))
    outcomes = [
        *writer.execute([submit("1", AddBook(ISBN, "Elixir in Action", quantity=10))], 30),
        *writer.execute([submit("2", BorrowBook(ISBN, "ann"))], 30),
    ]
    writer.close()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes

    with Reader(as_user("reporting", shared), group="overdue") as reader:
        events = reader.events(follow=True)
        assert [(event.type, event.version) for event in (next(events), next(events))] == [
            ("BookAdded", 1),
            ("BookBorrowed", 2),
        ]

    port = free_port()
    api = replace(as_user("library-api", shared), port=port)
    with (
        running(as_user("library-projector", shared), tmp_path / "projector.log", "projector"),
        running(api, tmp_path / "api.log", "query_api"),
    ):
        eventually(lambda: row(port).get("available") == 9, limit=40)
    described = library(shared, "topics", "describe")
    assert described.returncode == 0, described.stderr
