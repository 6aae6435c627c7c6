"""``make chaos-verdict``: porcupine judges histories of chaos runs; docs/verdict.md describes it."""

import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import msgspec

from eventstore.append import catch_up
from tests.chaos.forwarding_scene import PARTITIONS, play_forwarding
from tests.chaos.mutants import FORWARDING_MUTANTS, MUTANTS, NAMES_MUTANTS
from tests.chaos.names_scene import play_names
from tests.chaos.scenario import play, write_scene
from tests.chaos.verdict.judge import MODULE, NoVerdict, build, judge
from tests.support.brokers import embedded_broker
from tests.support.stores import new_store

COUNTED = (
    "titles",
    "commands",
    "attempts",
    "unknown",
    "reads",
    "unserved_reads",
    "reads_beyond_the_end",
    "logged_events",
)


@click.command()
@click.argument("histories", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mutants", is_flag=True, help="Judge mutants instead: each must fail.")
@click.option(
    "--pictures",
    default=Path(tempfile.gettempdir(), "library-verdict"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for a picture of each title that fails.",
)
@click.option("--limit", default="5m", show_default=True, help="For one title.")
def main(histories: tuple[Path, ...], mutants: bool, pictures: Path, limit: str) -> None:
    """Judge HISTORIES, by default those in the repository, with porcupine."""
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="library-verdict-") as folder:
        try:
            program = build(Path(folder))
            if mutants:
                files: Sequence[Path] = list(mutant_histories(Path(folder)))
            else:
                files = histories or sorted((MODULE / "histories").glob("*.jsonl.gz"))
            verdicts = [one for file in files for one in _told(judge(program, [file], pictures, limit))]
        except NoVerdict as error:
            raise click.ClickException(str(error)) from error
    failed = [one["file"] for one in verdicts if one.get("failed")]
    total = {name: sum(one[name] for one in verdicts) for name in COUNTED}
    click.echo(f"{len(verdicts)} histories: " + ", ".join(f"{n} {name}" for name, n in total.items()))
    click.echo(f"{len(failed)} of {len(verdicts)} are not linearizable")
    sys.exit(int(len(failed) < len(verdicts) if mutants else bool(failed)))


def _told(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in verdicts:
        click.echo(msgspec.json.encode(one))
    return verdicts


def mutant_histories(folder: Path) -> Iterator[Path]:
    """Histories of all mutants, each in the scripted scenario of its kind."""
    with embedded_broker(folder / "kafka") as kafka:
        for name in (*MUTANTS, *NAMES_MUTANTS, *FORWARDING_MUTANTS):
            home = folder / name.replace(" ", "-")
            home.mkdir()
            if name in MUTANTS:
                # As in the tests of the scenario, whose foreign transaction is short
                with patch.object(catch_up, "PATIENCE_S", 2.0):
                    checker = play(new_store(kafka.bootstrap, home, partitions=1), MUTANTS[name], home)
            elif name in NAMES_MUTANTS:
                checker = play_names(new_store(kafka.bootstrap, home, partitions=1), name, home)
            else:
                checker = play_forwarding(new_store(kafka.bootstrap, home, partitions=PARTITIONS), name, home)
            yield write_scene(checker, home, name)


if __name__ == "__main__":
    main()
