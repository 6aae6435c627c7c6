"""The ratios that ``make bench-query`` prints."""

from benchmarks.harness.load import Load
from benchmarks.query.ratios import Ratio, ratios


def load(name: str, case: str, rate: float, p99: float = 1.0, connections: int = 32) -> Load:
    return Load(name, case, connections, rate, 0.5, p99)


def test_figures_of_the_same_run_are_compared_with_their_goals():
    found = ratios(
        [
            load("ours", "one of all titles", 1_000, 4.0),
            load("kafka-streams", "one of all titles", 1_000, 8.0),
            load("ours", "title as of", 900), load("ours", "title as of", 1, connections=1),
        ]
    )  # fmt: skip
    assert found == [
        Ratio("title as of / now, not kept", 0.9, 0.6, most=False, reached=True),
        Ratio("title not kept / Kafka Streams", 1.0, 1.3, most=False, reached=False),
        Ratio("its p99 / Kafka Streams", 0.5, 1.0, most=True, reached=True),
    ]


def test_without_the_other_figure_there_is_no_ratio():
    assert ratios([load("ours", "search", 1_000)]) == []
