"""What it costs that Kafka verifies a transaction's partitions, measured with one gateway on one broker."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from msgspec import Struct

from benchmarks.append.load import TITLES_A_LOAD, load
from benchmarks.harness.servers import gateway
from foundation.kafka_clients import client_config
from foundation.settings import Settings

SETTING = "transaction.partition.verification.enable"
CLIENTS = (1, 64, 256)
ROUNDS = 3
TIMEOUT_S = 10.0


class Verification(Struct, frozen=True):
    """Medians of the rounds, in which the broker verifies (``on``) and does not (``off``) in turn."""

    durability: str
    clients: int
    on_per_second: float
    off_per_second: float
    ratio: float
    """``on`` to ``off``, the median of the rounds."""


def verification(
    settings: Settings, durability: str, folder: Path, seconds: float, warm_up_s: float
) -> Iterator[Verification]:
    """Measure the gateway while the broker's setting changes under it."""
    first_titles = count(0, TITLES_A_LOAD)
    rates: dict[tuple[int, bool], list[float]] = {
        (clients, verify): [] for clients in CLIENTS for verify in (True, False)
    }
    with gateway(settings, folder) as server:
        load(server.url, folder, max(CLIENTS), warm_up_s, next(first_titles))
        for number in range(ROUNDS):
            # The order changes: the second load of a round must not always have the advantage
            for verify in (True, False) if number % 2 == 0 else (False, True):
                _turn(settings, verify)
                for clients in CLIENTS:
                    rate, _, _ = load(server.url, folder, clients, seconds, next(first_titles))
                    rates[clients, verify].append(rate)
    for clients in CLIENTS:
        on, off = rates[clients, True], rates[clients, False]
        ratio = median(one / other for one, other in zip(on, off, strict=True))
        yield Verification(durability, clients, round(median(on)), round(median(off)), round(ratio, 2))


def _turn(settings: Settings, on: bool) -> None:
    admin = AdminClient(client_config(settings))
    (broker,) = admin.list_topics(timeout=TIMEOUT_S).brokers
    entry = ConfigEntry(SETTING, str(on).lower(), incremental_operation=AlterConfigOpType.SET)
    node = ConfigResource(ResourceType.BROKER, str(broker), incremental_configs=[entry])
    admin.incremental_alter_configs([node], request_timeout=TIMEOUT_S)[node].result()
