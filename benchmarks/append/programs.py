"""Programs that write: an import, and single commands with and without a snapshot."""

import csv
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import quantiles

from msgspec import Struct

from benchmarks.harness.processes import python
from foundation.settings import Settings
from inventory.isbn import in_house
from schemas.events import BookAdded
from tests.support.workload import workload

ONE_SHOTS = 20


class Import(Struct, frozen=True):
    """An import into an empty store, from the program's start to its end."""

    name: str
    durability: str
    events: int
    events_per_second: float
    seconds: float


class OneShots(Struct, frozen=True):
    """Single commands in sequence, each a separate program, from its start to its end."""

    name: str
    durability: str
    events_in_store: int
    commands: int
    p50_ms: float
    slowest_ms: float


def catalogue(file: Path, titles: int) -> Path:
    """Write a CSV file of ``titles`` titles that are as long as real ones."""
    events = (one.event for one in workload(titles, 3))
    names = [(e.title, e.author) for e in islice(events, 5_000) if isinstance(e, BookAdded)]
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["isbn", "title", "author", "quantity"])
        rows.writerows((in_house(n), *names[n % len(names)], 1 + n % 5) for n in range(titles))
    return file


def run_import(settings: Settings, durability: str, file: Path, titles: int) -> Import:
    """Import ``file`` and check the number of added titles."""
    begun = time.perf_counter()
    said = _run(settings, "import", str(file), "--json")
    seconds = time.perf_counter() - begun
    assert said["added"] == titles, said
    return Import("import", durability, titles, round(titles / seconds), round(seconds, 2))


def one_shots(
    settings: Settings, durability: str, events: int, isbns: Sequence[str], *, snapshot: bool
) -> OneShots:
    """Run ONE_SHOTS commands without the gateway, on one title of each partition."""
    took = []
    name = "command-with-snapshot" if snapshot else "command-without-snapshot"
    folder = Path(settings.data_dir) / "producer"
    if snapshot:
        # The first command of each partition saves its snapshot
        for isbn in isbns:
            _run(settings, "copies", "add", isbn, "1", "--json")
    for number in range(ONE_SHOTS):
        if not snapshot:
            shutil.rmtree(folder, ignore_errors=True)
        begun = time.perf_counter()
        _run(settings, "copies", "add", isbns[number % len(isbns)], "1", "--json")
        took.append(1000 * (time.perf_counter() - begun))
    return OneShots(
        name, durability, events, ONE_SHOTS, round(quantiles(took, n=2)[0], 1), round(max(took), 1)
    )


def _run(settings: Settings, *arguments: str) -> dict[str, object]:
    options = ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", settings.data_dir]
    done = subprocess.run(
        [*python("producer"), *arguments, *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said
