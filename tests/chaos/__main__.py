"""``python -m tests.chaos``: rounds of chaos until so many commands were given, then every mutant.

Ends with 1 when there was a violation, or a mutant that was not caught.
"""

import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
import msgspec

from tests.chaos.brokers import brokers_in
from tests.chaos.mutants import FORWARDING_MUTANTS, MUTANTS, NAMES_MUTANTS, SCRIPTED_ONLY
from tests.chaos.plan import Plan, Report
from tests.chaos.run import Run

MUTANT_SECONDS = 20.0
MUTANT_ROUNDS = 3
"""At most: where the machine is busy, a round has few commands."""


@click.command()
@click.option("--commands", default=20_000, show_default=True, help="Rounds go on until so many.")
@click.option("--seconds", default=60.0, show_default=True, help="Of one round.")
@click.option("--seed", default=1, show_default=True, help="Of the first round; the next has the next.")
@click.option("--broker-kills", default=1, show_default=True, help="In each round.")
@click.option("--harm", default=1.0, show_default=True, help="Share of the usual kills, above 0.")
@click.option("--brokers", default=1, show_default=True, type=click.Choice([1, 3]))
@click.option("--readers", default=0, show_default=True, help="Clients that also read from two query APIs.")
@click.option("--replays", default=0, show_default=True, help="Of the projector in each round with readers.")
@click.option("--switches", default=0, show_default=True, help="To another table and back, likewise.")
@click.option(
    "--histories",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for each round's history (docs/verdict.md).",
)
@click.option("--mutants/--no-mutants", default=True, help="Afterwards, each writer with a step left out.")
def main(
    commands: int,
    seconds: float,
    seed: int,
    broker_kills: int,
    harm: float,
    brokers: int,
    readers: int,
    replays: int,
    switches: int,
    histories: Path | None,
    mutants: bool,
) -> None:
    """Chaos against the write side."""
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
    total: Counter[str] = Counter()
    wrong = False
    while total["commands"] < commands:
        plan = Plan(
            seed=seed,
            seconds=seconds,
            broker_kills=broker_kills,
            harm=harm,
            cut_off=seed % 2 == 0,
            readers=readers,
            replays=replays,
            switches=switches,
        )
        report = one_round(plan, brokers, histories)
        tell(report)
        wrong |= bool(report.violations)
        total += Counter(report.done_to) + Counter(
            commands=report.commands,
            events=report.events,
            reads=report.reads,
            about_borrowers=report.about_borrowers,
            forgotten=report.forgotten,
            violations=sum(report.violations.values()),
            rounds=1,
        )
        seed += 1
    click.echo(", ".join(f"{count} {what}" for what, count in total.items()))
    click.echo(f"{total['violations']} violations in {total['commands']} commands")
    for name, plan in mutant_plans(seed).items() if mutants else ():
        wrong |= not is_caught(msgspec.structs.replace(plan, mutant=name), histories)
    sys.exit(int(wrong))


def mutant_plans(seed: int) -> dict[str, Plan]:
    """A short round for each mutant, in which it has many chances to go wrong."""
    writers = Plan(
        seed=seed,
        seconds=MUTANT_SECONDS,
        long=4,
        oneshots=1,
        gateway_clients=0,
        import_titles=0,
        sizes=(1, 1, 3),
        pauses=(0.3,),
    )
    gateways = msgspec.structs.replace(writers, long=0, oneshots=0, gateway_clients=6, pauses=(0.3, 4.0))
    # Two writers that seldom take a partition from each other, and learn of an erasure by its claims alone
    names = msgspec.structs.replace(writers, long=2, oneshots=0, sizes=(1,), harm=0.2)
    plans = dict.fromkeys(MUTANTS, writers) | dict.fromkeys(NAMES_MUTANTS, names)
    plans |= dict.fromkeys(FORWARDING_MUTANTS, gateways)
    return {name: plan for name, plan in plans.items() if name not in SCRIPTED_ONLY}


def is_caught(plan: Plan, histories: Path | None) -> bool:
    """Whether a mutant violates something in one of its rounds."""
    for seed in range(plan.seed, plan.seed + MUTANT_ROUNDS):
        report = one_round(msgspec.structs.replace(plan, seed=seed), histories=histories)
        tell(report)
        if report.violations:
            return True
    return False


def one_round(plan: Plan, brokers: int = 1, histories: Path | None = None) -> Report:
    """A round on brokers and in a folder of its own; its history is written to ``histories``."""
    history = None
    if histories is not None:
        histories.mkdir(parents=True, exist_ok=True)
        name = plan.mutant.replace(" ", "-") or f"seed-{plan.seed}"
        history = histories / f"{name}-brokers-{brokers}.jsonl.gz"
    with tempfile.TemporaryDirectory(prefix="library-chaos-") as folder:
        home = Path(folder)
        (home / "run").mkdir()
        with brokers_in(home / "kafka", brokers) as running:
            return Run(plan, running, home / "run", history).live()


def tell(report: Report) -> None:
    """One line of JSON for a round, and examples of what went wrong."""
    caught = "caught" if report.violations else "NOT CAUGHT"
    verdict = f"mutant {report.mutant}: {caught}" if report.mutant else "writers as they are"
    click.echo(f"{verdict} {msgspec.json.encode(report).decode()}")


if __name__ == "__main__":
    main()
