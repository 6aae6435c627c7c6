"""The cost of names that are kept apart: the same load on two stores, in turns."""

from collections.abc import Callable
from statistics import median
from typing import NamedTuple, TypeVar

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.harness.results import say
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_names_topic, ensure_topics

GOAL = 0.95
ROUNDS = 4

T = TypeVar("T")


class NamesCost(Struct, frozen=True):
    """Median rates of a store with user ids in its events, and of one that keeps the names apart."""

    case: str
    clients: int
    user_ids_per_second: float
    names_apart_per_second: float
    ratio: float
    goal: float
    reached: bool


class Pair(NamedTuple):
    """Two stores that differ in nothing else."""

    user_ids: Settings
    names_apart: Settings


def pair(user_ids: Settings, names_apart: Settings) -> Pair:
    """Create both stores. Raises KafkaException."""
    ensure_names_topic(AdminClient(client_config(names_apart)), names_apart)
    for settings in (user_ids, names_apart):
        ensure_topics(AdminClient(client_config(settings)), settings)
    return Pair(user_ids, names_apart)


def names_cost(
    case: str, clients: int, rate: Callable[[T], float], user_ids: T, names_apart: T, rounds: int = ROUNDS
) -> NamesCost:
    """Measure both in turns; every other round begins with the other one."""
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            rates[which].append(rate((user_ids, names_apart)[which]))
    without, apart = map(median, rates)
    ratio = apart / without
    cost = NamesCost(case, clients, round(without), round(apart), round(ratio, 3), GOAL, ratio >= GOAL)
    say(str(cost))
    return cost
