"""The warehouse, run as docs/your-own-domain.md says: another domain, its commands, table and HTTP query."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from eventstore.partition_reader import read_partition
from eventstore.partitions import partition_of
from eventstore.table_position import POSITION_KEY
from eventstore.topics import events_topic
from examples.warehouse.events import CODEC
from examples.warehouse.projection import TABLE
from foundation.cli import exits
from foundation.settings import Settings
from library.store.groups import reset_offsets
from library.store.offsets import beginning, group_lag
from library.store.offsets import end as end_of
from tests.support.projector.worker_process import Worker
from tests.support.waiting import eventually

PROJECTION = "examples.warehouse.projection:PROJECTION"


@pytest.fixture
def warehouse(broker: str, tmp_path: Path) -> Settings:
    """A warehouse of two partitions, with its topics."""
    name = f"warehouse-{uuid4().hex[:12]}"
    settings = Settings(kafka=broker, name=name, partitions=2, data_dir=str(tmp_path / name))
    assert run(settings, "create-topics") == (exits.DONE, "")
    return settings


def command(settings: Settings, name: str, *arguments: str) -> list[str]:
    """The command line of an example command."""
    flags = ["--kafka", settings.kafka, "--name", settings.name, "--partitions", str(settings.partitions)]
    return [sys.executable, "-m", "examples.warehouse", name, *flags, *arguments]


def run(settings: Settings, name: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    done = subprocess.run(command(settings, name, *arguments), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def worker(settings: Settings) -> Iterator[Worker]:
    """A worker of the warehouse's projection, until the end of the block."""
    running = Worker(settings, projection=PROJECTION)
    try:
        yield running
    finally:
        running.kill()


@contextmanager
def server(settings: Settings) -> Iterator[str]:
    """The address of a running ``serve``; SKU stands for a name."""
    arguments = command(settings, "serve", "--port", "0")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def stock(address: str, sku: str) -> dict[str, object]:
    """The answer of GET /stock/SKU without the row's offsets."""
    try:
        with urllib.request.urlopen(address.replace("SKU", sku), timeout=10) as response:
            row: dict[str, object] = json.load(response)
    except urllib.error.HTTPError as error:
        row = json.load(error) | {"status": error.code}
    return {name: value for name, value in row.items() if not name.endswith("_offset")}


def table(settings: Settings) -> dict[bytes, bytes]:
    """The encoded rows by key, once the table has every event."""
    topic, group = events_topic(settings), TABLE.group_id(settings)
    eventually(lambda: not sum(group_lag(settings, topic, group).values()), limit=60)
    changelog = TABLE.changelog(settings)
    return {
        message.key() or b"": message.value() or b""
        for partition, end in end_of(settings, changelog).items()
        for message in read_partition(settings, changelog, partition, end=end)
        if message.key() != POSITION_KEY
    }


def test_stock_is_received_picked_counted_and_read_over_http(warehouse: Settings) -> None:
    sku = "bolt M6/20"
    code, output = run(warehouse, "receive", sku, "5")
    assert (code, output) == (exits.DONE, f"{sku}: StockReceived at {partition_of(sku, 2)}:0\n")
    code, output = run(warehouse, "pick", sku, "6", "order-1")
    assert (code, output) == (exits.REFUSED, "Error: 5 pieces are on hand, 6 are wanted\n")
    assert run(warehouse, "pick", sku, "2", "order-2")[0] == exits.DONE
    with worker(warehouse), server(warehouse) as address:
        path = quote(sku, safe="")
        shown = {"sku": sku, "on_hand": 3, "picked": 2}
        eventually(lambda: stock(address, path) == shown, limit=60)
        assert "unchanged" in run(warehouse, "count", sku, "3")[1]
        assert "StockCounted" in run(warehouse, "count", sku, "4")[1]
        eventually(lambda: stock(address, path) == shown | {"on_hand": 4}, limit=60)
        assert stock(address, "nut") == {"detail": "no such SKU", "status": 404}
    assert run(warehouse, "receive", "", "1") == (exits.MALFORMED, "Error: a SKU has 1 to 40 characters\n")


def test_two_writers_race_for_the_last_piece_and_one_gets_it(warehouse: Settings) -> None:
    for round_number in range(3):
        assert run(warehouse, "receive", "A-1", "1")[0] == exits.DONE
        racing = [
            subprocess.Popen(command(warehouse, "pick", "A-1", "1", f"order-{round_number}-{clerk}"))
            for clerk in "ab"
        ]
        assert sorted(process.wait(60) for process in racing) == [exits.DONE, exits.REFUSED]


def test_a_replay_by_offset_reset_computes_the_same_rows(warehouse: Settings) -> None:
    for sku, pieces in (("A-1", "5"), ("A-2", "7"), ("A-1", "6"), ("A-3", "1")):
        assert run(warehouse, "receive", sku, pieces)[0] == exits.DONE
    assert run(warehouse, "pick", "A-1", "4", "order-1")[0] == exits.DONE
    with worker(warehouse) as running:
        before = table(warehouse)
        assert running.stop() == 0
    assert {CODEC.decode(row).sku: CODEC.decode(row).on_hand for row in before.values()} == {
        "A-1": 7,
        "A-2": 7,
        "A-3": 1,
    }
    topic = events_topic(warehouse)
    written = sum(end_of(warehouse, TABLE.changelog(warehouse)).values())
    reset_offsets(warehouse, topic, TABLE.group_id(warehouse), beginning(warehouse, topic))
    with worker(warehouse):
        assert table(warehouse) == before
    assert sum(end_of(warehouse, TABLE.changelog(warehouse)).values()) > written
