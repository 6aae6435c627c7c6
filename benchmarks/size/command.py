"""``python -m benchmarks.size`` measures each part on a small, a large and a very large store.

A part's growth is its cost in a larger store divided by its cost in the smallest one.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from benchmarks.harness.load import NoLoadGenerator, require_wrk
from benchmarks.harness.results import RESULTS, save, say, show_table
from benchmarks.size.audit import audit
from benchmarks.size.operations import backup_and_restore, replay, verify
from benchmarks.size.programs import Figure
from benchmarks.size.reads import queries, replica
from benchmarks.size.store import EVENTS_A_TITLE, Store, stores
from benchmarks.size.writes import commands, first_start, gateway_load, known_catalogue

SIZES = (20_000, 200_000, 1_000_000)
PARTS: dict[str, Callable[[Store], Iterator[Figure]]] = {
    "first-start": first_start,
    "import": known_catalogue,
    "commands": commands,
    "gateway": gateway_load,
    "replay": replay,
    "replica": replica,
    "queries": queries,
    "verify": verify,
    "audit": audit,
    "backup": backup_and_restore,
}
"""In the order in which they are measured."""


def growth(small: Figure, large: Figure) -> float:
    """The cost of ``large`` divided by that of ``small``. A rate is the inverse of a cost."""
    ratio = large.value / small.value
    return round(1 / ratio if small.unit.endswith("/s") else ratio, 2)


def table(figures: Sequence[Figure]) -> tuple[list[str], list[list[object]]]:
    """One row for each part and unit: its value in each size, and its growth since the smallest size."""
    sizes = sorted({figure.titles for figure in figures})
    values = {(figure.part, figure.unit, figure.titles): figure for figure in figures}
    rows: list[list[object]] = []
    for part, unit in dict.fromkeys((figure.part, figure.unit) for figure in figures):
        found = [values.get((part, unit, size)) for size in sizes]
        small = found[0]
        cells = ["" if figure is None else figure.value for figure in found]
        grown = ["" if small is None or one is None else growth(small, one) for one in found[1:]]
        rows.append([part, unit, *cells, *grown])
    names = ["part", "unit", *(f"{size:,}" for size in sizes), *(f"growth to {size:,}" for size in sizes[1:])]
    return names, rows


def merged(file: Path, measured: Sequence[Figure]) -> list[Figure]:
    """The figures of an earlier run that the file has, each replaced by that of the same part and size."""
    if not file.exists():
        return list(measured)
    earlier = msgspec.convert(json.loads(file.read_text("utf-8"))["results"], list[Figure])
    replaced = {(figure.part, figure.titles) for figure in measured}
    return [figure for figure in earlier if (figure.part, figure.titles) not in replaced] + list(measured)


@click.command()
@click.option(
    "--titles", "sizes", multiple=True, type=int, default=SIZES, show_default=True, help="May be repeated."
)
@click.option("--part", "chosen", multiple=True, type=click.Choice(list(PARTS)), help="Only this part.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the filled stores in this folder."
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "size.json")
def main(sizes: tuple[int, ...], chosen: tuple[str, ...], keep: Path | None, output: Path) -> None:
    """Measure each part in every store. Other figures in the output stay."""
    try:
        require_wrk()
    except NoLoadGenerator as error:
        sys.exit(str(error))
    figures: list[Figure] = []
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="library-size-")))
        filled = stack.enter_context(stores(folder, sorted(sizes)))
        for name in chosen or PARTS:
            for store in filled:
                for figure in PARTS[name](store):
                    say(str(figure))
                    figures.append(figure)
    figures = merged(output, figures)
    show_table(*table(figures))
    save(output, {"results": figures, "events_a_title": EVENTS_A_TITLE})


if __name__ == "__main__":
    main()
