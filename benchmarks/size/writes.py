"""The write side on a store of a given size: gateway, single commands, an import without anything new."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from statistics import median
from uuid import uuid4

from benchmarks.harness.load import LoadError
from benchmarks.harness.servers import Server
from benchmarks.size.programs import Figure, options, run, running_gateway
from benchmarks.size.store import Store

CLIENTS = 64
COLD_LOAD_S = 6
LEARNING_S = 30
"""Time in which the gateway reads the fingerprints of its snapshots in the background."""
LOAD_S = 10
PREPARED_REQUESTS = 80_000
"""Made before a load begins: the work of wrk must not be measured."""
ONE_SHOTS = 16
_LUA = """
local isbns, prefix, n, ready = {%s}, "%s-", 0, {}
local headers = {["Content-Type"] = "application/json"}

local function command(number)
  headers["Idempotency-Key"] = prefix .. number
  local isbn = isbns[number %% #isbns + 1]
  return wrk.format("POST", "/commands", headers, '{"type":"AddCopies","isbn":"' .. isbn .. '","quantity":1}')
end

function init()
  for number = 0, %d do ready[number] = command(number) end
end

function request()
  n = n + 1
  return ready[n - 1] or command(n - 1)
end
"""


def first_start(store: Store) -> Iterator[Figure]:
    """A gateway without snapshots: it reads the whole event store, and saves its snapshots."""
    shutil.rmtree(store.data / "producer", ignore_errors=True)
    with running_gateway(store) as (server, seconds):
        memory_mb = server.processes.memory_mb()
    yield Figure("gateway, start without snapshots", "s", store.titles, round(seconds, 2))
    yield Figure("gateway, start without snapshots", "MB", store.titles, round(memory_mb))


def gateway_load(store: Store) -> Iterator[Figure]:
    """A gateway with its snapshots under load: its start, its rate and its memory."""
    if not (store.data / "producer").exists():
        list(first_start(store))
    with running_gateway(store) as (server, seconds):
        started_mb = server.processes.memory_mb()
        half = len(store.facts.sample) // 2
        cold = _load(store, server, store.facts.sample[:half], COLD_LOAD_S)
        time.sleep(LEARNING_S)
        rate = _load(store, server, store.facts.sample[half:], LOAD_S)
        loaded_mb = server.processes.memory_mb()
    yield Figure("gateway, start", "s", store.titles, round(seconds, 2))
    yield Figure("gateway, start", "MB", store.titles, round(started_mb))
    yield Figure(f"gateway, {CLIENTS} clients, at once", "commands/s", store.titles, round(cold))
    yield Figure(f"gateway, {CLIENTS} clients", "commands/s", store.titles, round(rate))
    yield Figure(f"gateway, {CLIENTS} clients", "MB", store.titles, round(loaded_mb))


def commands(store: Store) -> Iterator[Figure]:
    """Single commands, each a program of its own: through a gateway, and without one."""
    if not (store.data / "producer").exists():
        list(first_start(store))
    with running_gateway(store) as (server, _):
        yield _one_shots("command through the gateway", store, server.url)
    yield _one_shots("command without a gateway", store, "")


def known_catalogue(store: Store) -> Iterator[Figure]:
    """An import of titles that are in the inventory already, with the same details."""
    done = run("producer", "import", str(store.catalogue), "--json", *options(store))
    assert done.json()["unchanged"] == store.facts.in_catalogue, done.printed
    yield from done.figures("import of a known catalogue", store, "row", store.facts.in_catalogue)


def _load(store: Store, server: Server, isbns: list[str], seconds: int) -> float:
    """Commands/s of CLIENTS connections for titles in random order. Raises LoadError for a refusal."""
    lua = store.folder / "commands.lua"
    lua.write_text(_LUA % (",".join(f'"{isbn}"' for isbn in isbns), uuid4().hex, PREPARED_REQUESTS), "utf-8")
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(lua), server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, check=True)
    if found := re.search(r"(Non-2xx or 3xx responses|Socket errors): .*", done.stdout):
        raise LoadError(f"{server.url}: {found[0]}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    assert rate is not None, done.stdout
    assert count is not None, done.stdout
    store.note_events(int(count[1]))
    return float(rate[1])


def _one_shots(part: str, store: Store, gateway: str) -> Figure:
    took = []
    for isbn in store.facts.sample[:ONE_SHOTS]:
        done = run("producer", "copies", "add", isbn, "1", "--gateway", gateway, *options(store))
        took.append(done.seconds * 1000)
    store.note_events(len(took))
    return Figure(part, "ms", store.titles, round(median(took), 1))
