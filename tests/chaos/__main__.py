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

from tests.chaos.mutants import FORWARDING_MUTANTS, MUTANTS
from tests.chaos.run import Plan, Report, Run
from tests.support.brokers import embedded_broker

MUTANT_SECONDS = 20.0


@click.command()
@click.option("--commands", default=20_000, show_default=True, help="Rounds go on until so many.")
@click.option("--seconds", default=60.0, show_default=True, help="Of one round.")
@click.option("--seed", default=1, show_default=True, help="Of the first round; the next has the next.")
@click.option("--broker-kills", default=1, show_default=True, help="In each round.")
@click.option("--mutants/--no-mutants", default=True, help="Afterwards, each writer with a step left out.")
def main(commands: int, seconds: float, seed: int, broker_kills: int, mutants: bool) -> None:
    """Chaos against the write side."""
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
    total: Counter[str] = Counter()
    wrong = False
    while total["commands"] < commands:
        plan = Plan(seed=seed, seconds=seconds, broker_kills=broker_kills, cut_off=seed % 2 == 0)
        report = one_round(plan)
        tell(report)
        wrong |= bool(report.violations)
        total += Counter(report.done_to) + Counter(
            commands=report.commands,
            events=report.events,
            violations=sum(report.violations.values()),
            rounds=1,
        )
        seed += 1
    click.echo(", ".join(f"{count} {what}" for what, count in total.items()))
    click.echo(f"{total['violations']} violations in {total['commands']} commands")
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
    plans = dict.fromkeys(MUTANTS, writers) | dict.fromkeys(FORWARDING_MUTANTS, gateways)
    for name, plan in plans.items() if mutants else ():
        report = one_round(msgspec.structs.replace(plan, mutant=name))
        tell(report)
        wrong |= not report.violations
    sys.exit(int(wrong))


def one_round(plan: Plan) -> Report:
    """A round on a broker and in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="library-chaos-") as folder:
        home = Path(folder)
        (home / "run").mkdir()
        with embedded_broker(home / "kafka") as kafka:
            run = Run(plan, kafka, home / "run")
            try:
                return run.live()
            finally:
                if run.kafka is not kafka:
                    run.kafka.stop()


def tell(report: Report) -> None:
    """One line of JSON for a round, and examples of what went wrong."""
    caught = "caught" if report.violations else "NOT CAUGHT"
    verdict = f"mutant {report.mutant}: {caught}" if report.mutant else "writers as they are"
    click.echo(f"{verdict} {msgspec.json.encode(report).decode()}")


if __name__ == "__main__":
    main()
