"""Results of a benchmark: a table on the terminal, and JSON with a description of the machine."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec import Struct

RESULTS = Path(__file__).parent.parent / "results"


def say(text: str) -> None:
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Describe the machine."""
    return {
        "cores": os.cpu_count(),
        # A value far above our own load means that others used the machine
        "load_average_15_min": round(os.getloadavg()[2], 1),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def show(rows: Sequence[Struct]) -> None:
    """Print structs of one type as a table on stdout."""
    if not rows:
        return
    names = rows[0].__struct_fields__
    show_table(names, [[getattr(row, name) for name in names] for row in rows])


def show_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows with one value for each name as a table on stdout."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [names, *texts]) for i in range(len(names))]
    for line in [names, *texts]:
        first, *rest = (text.rjust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]))
    print()


def save(file: Path, found: dict[str, Any]) -> None:
    """Write ``results`` with machine and date. Parts of the file that ``save_part`` has written stay."""
    parts = {name: part for name, part in _saved(file).items() if isinstance(part, dict) and "date" in part}
    _write(file, {**parts, **_dated(found)})


def save_part(file: Path, name: str, found: dict[str, Any]) -> None:
    """Write the results of a part of a benchmark, with machine and date; the others stay as they are."""
    _write(file, {**_saved(file), name: _dated(found)})


def _dated(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "machine": machine(), "date": datetime.now(UTC).date().isoformat()}


def _saved(file: Path) -> dict[str, Any]:
    saved: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return saved


def _write(file: Path, document: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(msgspec.to_builtins(document), indent=2) + "\n", "utf-8")
    say(f"written to {file}")


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
