"""Measures the chosen parts on the chosen stores, and keeps the other figures of the results."""

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from benchmarks.growth.cases import BASE, CASES, opened
from benchmarks.growth.parts import PARTS
from benchmarks.growth.plot import plot
from benchmarks.harness.broker import broker
from benchmarks.harness.calibration import calibrate
from benchmarks.harness.load import NoLoadGenerator, require_wrk
from benchmarks.harness.results import RESULTS, save, say, show_table

PLOT = Path(__file__).parents[2] / "docs" / "images" / "growth.svg"


class Grown(Struct, frozen=True):
    """A figure of a case. ``unit`` ending in ``/s`` is a rate: more is better."""

    case: str
    part: str
    unit: str
    value: float


def cost(figure: Grown, base: Grown) -> float:
    """The cost of ``figure`` divided by that of ``base``. A rate is the inverse of a cost."""
    ratio = figure.value / base.value if base.value else 1.0
    return round(1 / ratio if figure.unit.endswith("/s") else ratio, 2)


def table(figures: Sequence[Grown]) -> tuple[list[str], list[list[object]]]:
    """One row for each part and unit: its value in each case, and its cost relative to that in BASE."""
    cases = [name for name in CASES if any(figure.case == name for figure in figures)]
    values = {(figure.part, figure.unit, figure.case): figure for figure in figures}
    rows: list[list[object]] = []
    for part, unit in dict.fromkeys((figure.part, figure.unit) for figure in figures):
        found, base = [values.get((part, unit, case)) for case in cases], values.get((part, unit, BASE))
        cells = [
            "" if one is None else f"{one.value:,}" + (f" ({cost(one, base)})" if base is not None else "")
            for one in found
        ]
        rows.append([part, unit, *cells])
    return ["part", "unit", *cases], rows


def merged(file: Path, measured: Sequence[Grown]) -> list[Grown]:
    """The figures of an earlier run that the file has, each replaced by that of the same part and case."""
    if not file.exists():
        return list(measured)
    earlier = msgspec.convert(json.loads(file.read_text("utf-8"))["results"], list[Grown])
    replaced = {(figure.case, figure.part, figure.unit) for figure in measured}
    kept = [one for one in earlier if (one.case, one.part, one.unit) not in replaced]
    found = kept + list(measured)
    return sorted(found, key=lambda one: list(CASES).index(one.case))


@click.command()
@click.option("--case", "cases", multiple=True, type=click.Choice(list(CASES)), help="Only this store.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this part.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the filled stores in this folder."
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "growth.json")
@click.option("--plot", "picture", type=click.Path(path_type=Path), default=PLOT)
def main(
    cases: tuple[str, ...], parts: tuple[str, ...], keep: Path | None, output: Path, picture: Path
) -> None:
    """Measure each part on each store. Other figures in the output stay."""
    try:
        require_wrk()
    except NoLoadGenerator as error:
        sys.exit(str(error))
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="library-growth-")))
        folder.mkdir(parents=True, exist_ok=True)
        kafka = stack.enter_context(broker(folder, "os"))
        calibration = calibrate(kafka, folder)
        for name in cases or CASES:
            with opened(kafka, folder, CASES[name]) as store:
                for part in parts or PARTS:
                    measured = [Grown(name, one.part, one.unit, one.value) for one in PARTS[part](store)]
                    for figure in measured:
                        say(str(figure))
                    # A run that is interrupted keeps the parts before
                    figures = merged(output, measured)
                    save(output, {"results": figures, "calibration": calibration})
    show_table(*table(figures))
    picture.write_text(plot(figures), "utf-8")
