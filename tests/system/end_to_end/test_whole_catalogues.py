"""A real catalogue, dirty as they are, imported twice; and one that is interrupted."""

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.cli import exits
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

GOODBOOKS = Path(__file__).parents[3].parent / "shared" / "data" / "goodbooks-10k.csv"


@pytest.mark.skipif(not GOODBOOKS.exists(), reason=f"the catalogue is not in {GOODBOOKS.parent}")
def test_a_real_catalogue_is_imported_once(system: System, tmp_path: Path) -> None:
    command = (
        "import",
        str(GOODBOOKS),
        "--map",
        "author=authors",
        "--set",
        "quantity=4",
        "--json",
        "--rejects",
    )
    first, again = tmp_path / "first.csv", tmp_path / "again.csv"
    done = system.library(*command, str(first))
    assert done.returncode == exits.BAD_DATA, done.stderr
    result = json.loads(done.stdout)
    assert (result["added"], result["unchanged"], result["rejected"]) == (9277, 0, 723)
    with first.open(encoding="utf-8", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert len(rejected) == 723
    assert {row["reason"] for row in rejected if not row["isbn"]} == {"the ISBN is empty"}
    assert sum("check digit" in row["reason"] for row in rejected) == 23
    ends = system.ends()
    result = json.loads(system.library(*command, str(again)).stdout)
    assert (result["added"], result["unchanged"], result["rejected"]) == (0, 9277, 723)
    assert again.read_text("utf-8") == first.read_text("utf-8")
    assert system.ends() == ends


def test_an_import_rejects_titles_that_exist_with_other_details(
    system: System, new_isbn: Callable[[], str], tmp_path: Path
) -> None:
    known, fresh = new_isbn(), new_isbn()
    system.done("add", known, "T", "A", "1")
    file, rejects = tmp_path / "books.jsonl", tmp_path / "rejects.jsonl"
    rows = [{"isbn": fresh, "title": "T"}, {"isbn": known, "title": "other"}, {"isbn": fresh, "title": "T"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    dry = system.library("import", str(file), "--dry-run")
    assert (dry.returncode, dry.stdout.startswith("2 can be imported, 1 rejected")) == (exits.BAD_DATA, True)
    assert system.library("history", fresh).returncode == exits.NOT_FOUND
    done = system.library("import", str(file), "--rejects", str(rejects), "--json")
    assert done.returncode == exits.BAD_DATA
    counts = json.loads(done.stdout)
    assert (counts["added"], counts["unchanged"], counts["rejected"]) == (1, 0, 2)
    other, repeated = (json.loads(line) for line in rejects.read_text("utf-8").splitlines())
    assert other["isbn"] == known
    assert "`correct` changes the details" in other["reason"]
    assert "is on line 1 already" in repeated["reason"]


def test_an_import_can_wait_until_its_titles_can_be_read(
    system: System, new_isbn: Callable[[], str], tmp_path: Path
) -> None:
    isbns = [new_isbn() for _ in range(50)]
    file = tmp_path / "books.csv"
    file.write_text("isbn,title\n" + "".join(f"{isbn},T\n" for isbn in isbns), "utf-8")
    system.done("import", str(file), "--wait")
    assert all(system.get(f"/inventory/{isbn}").status == 200 for isbn in isbns)


def test_an_interrupted_import_is_completed_by_the_next(
    system: System, new_isbn: Callable[[], str], tmp_path: Path
) -> None:
    count, file = 25_000, tmp_path / "large.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["isbn", "title", "author"])
        # Long enough for several processes
        writer.writerows([new_isbn(), f"Title {number} ".ljust(170, "x"), "A"] for number in range(count))

    def events() -> int:
        return int(system.get("/stats").value["events"])

    eventually(lambda: not any(system.get("/stats").value["lag"].values()))
    before = events()
    importing = system.start("import", str(file), "--json")
    eventually(lambda: events() > before)
    importing.send_signal(signal.SIGINT)
    _, error = importing.communicate(timeout=60)
    assert importing.returncode == exits.INTERRUPTED, error
    assert "it continues, and repeats nothing" in error
    assert "Traceback" not in error
    result = json.loads(system.done("import", str(file), "--json"))
    assert result["added"] + result["unchanged"] == count
    assert result["unchanged"] > 0
    eventually(lambda: events() == before + count)
