"""The projector as Faust's documentation describes one, for reference.

It has everything that stock Faust can use (uvloop, rocksdict, a lingering producer) and no faults: it reads
uncommitted events and its commits do not get past transaction markers, so it can't be trusted with a real
store. Prints a line at its first event.
"""

import json
import os
import sys
import time

import faust

from inventory.row_fold import fold
from schemas.codec import decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow

PARTITIONS = 8

app = faust.App(
    os.environ.get("BENCHMARK_GROUP", "faust-stock"),
    broker="kafka://" + os.environ.get("BENCHMARK_KAFKA", "127.0.0.1:9092"),
    store="rocksdb://",
    datadir=os.environ.get("BENCHMARK_DATA", "faust-stock"),
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    table_standby_replicas=0,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    producer_linger=0.02,
    producer_max_batch_size=256 << 10,
)
source = app.topic(
    os.environ.get("BENCHMARK_TOPIC", "library.commands.events"),
    key_type=bytes,
    value_type=bytes,
    key_serializer="raw",
    value_serializer="raw",
)
table = app.Table(
    "inventory",
    key_type=bytes,
    value_type=bytes,
    partitions=PARTITIONS,
    options={"driver": "rocksdict", "block_cache_size": 16 << 20, "write_buffer_size": 16 << 20},
)


@app.agent(source)
async def project(stream: faust.StreamT[bytes]) -> None:
    begun = False
    async for event in stream.events():
        if not begun:
            begun = True
            # Faust has made sys.stdout a logger
            print(json.dumps({"first_event_ms": time.time() * 1000}), file=sys.__stdout__, flush=True)
        isbn, version = parse_title_key(event.key)
        stored = table.get(isbn.encode())
        row = decode(stored) if stored else None
        assert row is None or isinstance(row, InventoryRow)
        if version == 1 or row is None or version > row.version:
            table[isbn.encode()] = encode(fold(row, version, decode(event.value)))


if __name__ == "__main__":
    app.main()
