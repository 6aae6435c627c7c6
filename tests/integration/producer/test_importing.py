"""Catalogues into the event store: by several processes, with snapshots, and when something is in the way."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from stdnum import ean

from foundation.cli import exits
from foundation.settings import Settings
from producer.imports import run as importing
from producer.imports.appending import Counts, Stopped
from producer.imports.files import Layout, open_catalogue
from producer.imports.run import append, log_ends, read_into
from producer.imports.spool import Spool, all_rejected
from producer.imports.workers import Workers
from schemas.events import BookAdded
from schemas.reader import open_reader
from tests.support.waiting import eventually

ROWS = 6_000


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many titles, of which the last stands there twice, once with another author."""
    file = tmp_path_factory.mktemp("catalogue") / "books.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["isbn", "title", "author", "quantity"])
        for number in range(ROWS):
            isbn = isbn_of(number)
            writer.writerow([isbn, f"Title {number}", "A", 2])
        writer.writerow([isbn, f"Title {ROWS - 1}", "B", 2])
    return file


@pytest.fixture
def spool(catalogue: Path, settings: Settings, tmp_path: Path) -> Spool:
    spool = Spool(tmp_path, settings.partitions)
    read_into(spool, open_catalogue(catalogue, Layout()), settings.partitions, nothing)
    return spool


def nothing(_: int) -> None:
    pass


def isbn_of(number: int) -> str:
    digits = f"978{number:09d}"
    return digits + str(ean.calc_check_digit(digits))


def quantities(settings: Settings) -> dict[str, int]:
    """Copies of each title that was added."""
    with open_reader(settings=settings) as reader:
        added = [record.event for record in reader]
    return {event.isbn: event.quantity for event in added if isinstance(event, BookAdded)}


def versions(settings: Settings) -> list[int]:
    with open_reader(settings=settings) as reader:
        return [event.version for event in reader]


@pytest.mark.parametrize(("workers", "in_memory"), [(0, 10**6), (2, 10**6), (0, 0)])
def test_every_import_path_gives_the_same_result(
    workers: int, in_memory: int, spool: Spool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MAX_EVENTS_IN_MEMORY", in_memory)
    Path(settings.data_dir).mkdir(exist_ok=True)
    shown: list[int] = []
    with Workers(workers) as processes:
        counts, offsets = append(spool, "id", settings, log_ends(settings), processes, shown.append)
    assert counts == Counts(added=ROWS, unchanged=0, rejected=1)
    # The end is after the marker of the last transaction
    assert {p: offset + 2 for p, offset in offsets.items()} == dict(enumerate(log_ends(settings)))
    assert shown == sorted(shown)
    assert shown[-1] == ROWS + 1
    ((number, reason),) = all_rejected(spool.folder)
    assert number == ROWS + 2
    assert "by 'A'" in reason
    assert versions(settings) == [1] * ROWS
    with Workers(workers) as processes:
        again, _ = append(spool, "id", settings, log_ends(settings), processes, nothing)
    assert again == Counts(added=0, unchanged=ROWS, rejected=1)


def test_a_killed_process_stops_the_import_and_the_next_completes_it(
    spool: Spool, settings: Settings
) -> None:
    me = psutil.Process()

    def kill_one(rows: int) -> None:
        for worker in me.children():
            # One that was killed at the last call may not have been waited for yet, and has no command line
            if worker.status() != psutil.STATUS_ZOMBIE and "producer.imports.worker" in worker.cmdline():
                worker.kill()
                return

    ends = log_ends(settings)
    with pytest.raises(Stopped, match="has ended"), Workers(2) as processes:
        append(spool, "id", settings, ends, processes, kill_one)
    with Workers(0) as here:
        counts, _ = append(spool, "id", settings, ends, here, nothing)
    assert (counts.all, counts.rejected) == (ROWS + 1, 1)
    assert counts.unchanged > 0
    assert versions(settings) == [1] * ROWS


def test_workers_end_with_the_process_that_started_them() -> None:
    code = (
        "import os, signal, sys\n"
        "from producer.imports.workers import Workers\n"
        "Workers(2)\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    children: list[psutil.Process] = eventually(
        lambda: [*_running(parent.pid)] if len([*_running(parent.pid)]) == 2 else []
    )
    parent.communicate(b"go\n", timeout=20)
    eventually(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def _running(pid: int) -> Iterator[psutil.Process]:
    for child in psutil.Process(pid).children():
        if "producer.imports.worker" in child.cmdline():
            yield child


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"LIBRARY_KAFKA": settings.kafka, "LIBRARY_NAME": settings.name, "LIBRARY_DEADLINE": "5"}
    return subprocess.run(
        [sys.executable, "-m", "producer", "import", *arguments],
        env=os.environ | environment | {"LIBRARY_PARTITIONS": str(settings.partitions)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_import_checks_kafka_before_it_reads_the_file(settings: Settings, catalogue: Path) -> None:
    away = command(Settings(kafka="127.0.0.1:1"), str(catalogue))
    assert (away.returncode, away.stdout) == (exits.UNAVAILABLE, "")
    assert "`library up`" in away.stderr
    wrong = command(Settings(kafka=settings.kafka, name=settings.name, partitions=4), str(catalogue))
    assert (wrong.returncode, wrong.stdout) == (exits.FAILED, "")
    assert "has 3 partitions, the settings say 4" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--map", "title=Name"], exits.MALFORMED, "no column 'Name' for title"),
        (["--map", "colour=x"], exits.MALFORMED, "isbn, title, author, quantity"),
        (["--set", "title=x"], exits.MALFORMED, "author, quantity"),
        (["--delimiter", "::"], exits.MALFORMED, "one character"),
        (["--delimiter", '"'], exits.MALFORMED, "one character"),
        (["--encoding", "klingon"], exits.MALFORMED, "unknown"),
        (["--encoding", "undefined"], exits.MALFORMED, "unknown"),
        (["--encoding", "utf-16"], exits.BAD_DATA, "not utf-16"),
        (["--rejects", "{file}"], exits.MALFORMED, "would overwrite"),
        (["--rejects", "/nowhere/at/all"], exits.FAILED, "/nowhere/at/all"),
        (["--rejects", ""], exits.MALFORMED, "the name of a file"),
        (["--rejects", "-"], exits.MALFORMED, "the name of a file"),
    ],
)
def test_an_import_explains_wrong_arguments(
    arguments: list[str], code: int, says: str, catalogue: Path
) -> None:
    filled = [argument.format(file=catalogue) for argument in arguments]
    done = command(Settings(kafka="127.0.0.1:1"), str(catalogue), "--dry-run", *filled)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_needs_no_kafka_and_says_what_it_would_reject(tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("isbn,title\n9780000000002,A\n9.78e12,B\n,C\n", "utf-8")
    done = command(Settings(kafka="127.0.0.1:1"), str(file), "--dry-run", "--json")
    assert done.returncode == exits.BAD_DATA
    result = json.loads(done.stdout)
    assert (result["checked"], result["rejected"]) == (1, 2)
    assert "line 3: '9.78e12' is in scientific notation" in done.stderr
    assert "line 4: the ISBN is empty" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("- --rejects {file} <{file}", exits.MALFORMED, "would overwrite"),
        ("/dev/stdin --rejects {file} <{file}", exits.MALFORMED, "would overwrite"),
        ("{link} --rejects {file}", exits.MALFORMED, "would overwrite"),
        ("- --rejects {file}.new <&-", exits.BAD_DATA, "standard input is empty"),
        ("{file} --rejects /dev/full", exits.FAILED, "No space left on device); no event was written"),
        ("{file} >/dev/full", exits.FAILED, "no event was written, and the result can't be printed"),
    ],
)
def test_a_dry_run_neither_overwrites_its_file_nor_claims_to_be_an_import(
    arguments: str, code: int, message: str, tmp_path: Path
) -> None:
    file, link = tmp_path / "books.csv", tmp_path / "link.csv"
    file.write_text(f"isbn,title\n{isbn_of(1)},T\nx,wrong\n", "utf-8")
    link.symlink_to(file)
    content = file.read_bytes()
    program = f"{sys.executable} -m producer import --dry-run {arguments.format(file=file, link=link)}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == content


def piped(settings: Settings, shell: str) -> dict[str, int]:
    """The counts of an import whose command line needs a shell; ``{import}`` is the command."""
    program = f"{sys.executable} -m producer import --json"
    environment = {
        "LIBRARY_KAFKA": settings.kafka,
        "LIBRARY_NAME": settings.name,
        "LIBRARY_GATEWAY": "",
        "LIBRARY_PARTITIONS": str(settings.partitions),
    }
    done = subprocess.run(
        ["bash", "-c", shell.replace("{import}", program)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode in (exits.DONE, exits.BAD_DATA), done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return {name: counts[name] for name in ("added", "unchanged", "rejected", "blank", "rows")}


@pytest.mark.parametrize(
    "shell",
    [
        "cat {file} | {import} -",
        "{import} - < {file}",
        "cat {file} | {import} /dev/stdin",
        "{import} <(cat {file})",
        "mkfifo {file}.fifo; cat {file} > {file}.fifo & {import} {file}.fifo",
    ],
)
def test_a_stream_is_read_once_and_imported_whole(shell: str, settings: Settings, tmp_path: Path) -> None:
    rows = [f"{isbn_of(number)},T{number}" for number in range(5)]
    file, rejects = tmp_path / "books.csv", tmp_path / "rejects.csv"
    file.write_text("\n".join(["isbn,title", *rows, "x,wrong", ",,", ""]), "utf-8")
    command = shell.replace("{file}", str(file)) + f" --rejects {rejects}"
    counts = piped(settings, command)
    assert counts == {"added": 5, "unchanged": 0, "rejected": 1, "blank": 1, "rows": 7}
    assert rejects.read_text("utf-8").splitlines()[1].startswith("x,wrong,")
    # The same content from a file is the same import
    again = piped(settings, f"{{import}} {file}")
    assert (again["added"], again["unchanged"]) == (0, 5)


def test_copies_of_repeated_rows_are_counted_where_it_is_wanted(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "copies.csv"
    isbn = isbn_of(1)
    file.write_text(f"isbn,title,author\n{isbn},T,A\n{isbn},T,A\n{isbn_of(2)},U,A\n{isbn},T pbk,A\n", "utf-8")
    counts = piped(settings, f"{{import}} {file} --repeated add")
    assert counts == {"added": 4, "unchanged": 0, "rejected": 0, "blank": 0, "rows": 4}
    assert quantities(settings) == {isbn: 3, isbn_of(2): 1}
    again = piped(settings, f"{{import}} {file} --repeated add")
    assert (again["added"], again["unchanged"]) == (0, 4)
    # All rows of a title are rejected together
    other = tmp_path / "other.csv"
    other.write_text(f"isbn,title\n{isbn},T\n{isbn_of(3)},V\n{isbn},T\n", "utf-8")
    counts = piped(settings, f"{{import}} {other} --repeated add --rejects {tmp_path}/rejects.csv")
    assert (counts["added"], counts["rejected"]) == (1, 2)
    written = (tmp_path / "rejects.csv").read_text("utf-8").splitlines()
    assert [line.partition(",")[0] for line in written] == ["isbn", isbn, isbn]


def test_no_event_is_written_if_the_rejects_file_cant_be(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text(f"isbn,title\n{isbn_of(1)},T\n", "utf-8")
    done = command(settings, str(file), "--rejects", str(tmp_path / "missing" / "rejects.csv"))
    assert (done.returncode, done.stdout) == (exits.FAILED, "")
    assert quantities(settings) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--rejects /dev/full", "the rejected rows can't be written (No space left on device)"),
        (">/dev/full", "but the result can't be printed (No space left on device); running it again"),
        (">&-", "but the result can't be printed (Bad file descriptor)"),
    ],
)
def test_an_import_that_cant_report_says_that_it_is_done(
    arguments: str, message: str, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "books.csv"
    file.write_text(f"isbn,title\n{isbn_of(1)},T\nx,wrong\n", "utf-8")
    program = f"{sys.executable} -m producer import {file} --kafka {settings.kafka} --name {settings.name}"
    done = subprocess.run(
        ["bash", "-c", f"{program} {arguments}"],
        env=os.environ | {"LIBRARY_PARTITIONS": str(settings.partitions)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == exits.FAILED
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert quantities(settings) == {isbn_of(1): 1}
