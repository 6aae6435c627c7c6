"""Measures each part with each number of borrowers, and prints how its cost grows."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.borrowers.parts import PARTS, Figure
from benchmarks.borrowers.store import filled
from benchmarks.harness.broker import broker
from benchmarks.harness.calibration import calibrate
from benchmarks.harness.results import RESULTS, save, say, show_table

BORROWERS = (1_000, 100_000, 1_000_000)


def table(figures: Sequence[Figure]) -> tuple[list[str], list[list[object]]]:
    """One row for each part and unit: its value with each number of borrowers, relative to the smallest."""
    sizes = sorted({figure.borrowers for figure in figures})
    values = {(figure.part, figure.unit, figure.borrowers): figure.value for figure in figures}
    rows: list[list[object]] = []
    for part, unit in dict.fromkeys((figure.part, figure.unit) for figure in figures):
        found = [values.get((part, unit, size)) for size in sizes]
        smallest, *larger = found
        cells = ["" if smallest is None else smallest, *(_cell(one, smallest) for one in larger)]
        rows.append([part, unit, *cells])
    return ["part", "unit", *(f"{size:,}" for size in sizes)], rows


def _cell(value: float | None, smallest: float | None) -> object:
    if value is None or smallest is None:
        return "" if value is None else value
    return f"{value:,} ({value / smallest:.2f})"


@click.command()
@click.option(
    "--borrowers", "sizes", multiple=True, type=int, default=BORROWERS, show_default=True,
    help="May be repeated.",
)  # fmt: skip
@click.option("--part", "chosen", multiple=True, type=click.Choice(list(PARTS)), help="Only this part.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the filled stores in this folder."
)
@click.option("--fill-only", is_flag=True, help="Measure nothing: with --keep, for a later run.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "borrowers.json")
def main(
    sizes: tuple[int, ...], chosen: tuple[str, ...], keep: Path | None, fill_only: bool, output: Path
) -> None:
    """Measure each part on stores with the same events and so many borrowers."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="library-borrowers-")))
        folder.mkdir(parents=True, exist_ok=True)
        kafka = stack.enter_context(broker(folder, "os"))
        stores = [filled(kafka, folder / f"borrowers-{size}", size) for size in sorted(sizes)]
        if fill_only:
            return
        calibration = calibrate(kafka, folder)
        figures: list[Figure] = []
        for part in chosen or PARTS:
            for store in stores:
                for figure in PARTS[part](store):
                    say(str(figure))
                    figures.append(figure)
            # A run that is interrupted keeps the parts before
            save(output, {"results": figures, "calibration": calibration})
    show_table(*table(figures))
