"""Commands over HTTP, sent by wrk; each request is a different command."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness.load import LoadError, percentile

_LUA = """
-- Each title is added, borrowed and returned: a whole window is added, then borrowed, then returned,
-- because commands of one title must not overtake each other on different connections.
local window, prefix, first, made_before, titles_a_thread, n = %d, "%s", %d, %d, %d, -1
local addresses, threads = {%s}, 0
local headers = {["Content-Type"] = "application/json"}
local bodies = {
  [0] = '{"type":"AddBook","isbn":"%%s","title":"The Benchmark","author":"A Writer","quantity":3}',
  '{"type":"BorrowBook","isbn":"%%s","user_id":"ann"}',
  '{"type":"ReturnBook","isbn":"%%s","user_id":"ann"}',
}
local ready = {}

local function ean(number)
  local digits, sum = string.format("2%%011d", number), 0
  for i = 1, 12 do sum = sum + (digits:byte(i) - 48) * (i %% 2 == 1 and 1 or 3) end
  return digits .. (10 - sum %% 10) %% 10
end

local function command(number)
  local body = bodies[math.floor(number / window) %% 3]
  local title = first + math.floor(number / (3 * window)) * window + number %% window
  headers["Idempotency-Key"] = prefix .. number
  return wrk.format("POST", "/commands", headers, string.format(body, ean(title)))
end

function setup(thread)
  -- Each thread has a server and titles of its own
  local host, port = addresses[threads + 1]:match("(.*):(.*)")
  thread.addr = wrk.lookup(host, port)[1]
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  first = first + number * titles_a_thread
  prefix = prefix .. number .. "-"
  -- Prepared in advance: the work of wrk must not be measured
  for number = 0, made_before - 1 do ready[number] = command(number) end
end

function request()
  n = n + 1
  -- wrk calls this once before it begins, and does not send that request
  if n == 0 then return wrk.format("GET", "/healthz") end
  return ready[n - 1] or command(n - 1)
end
"""
MADE_BEFORE = 12_000
"""Prepared requests for each second of load."""
WINDOW_A_CLIENT = 16
TITLES_A_LOAD = 10_000_000
"""More than any load uses: loads never share a title."""


def load(
    urls: str | Sequence[str], folder: Path, clients: int, seconds: float, first_title: int
) -> tuple[float, float, float]:
    """Return commands/s and the 50th and 99th percentile in ms. Raises LoadError if one was not accepted.

    With several ``urls`` each gets its share of the ``clients``.
    """
    urls = [urls] if isinstance(urls, str) else urls
    lua = folder / f"commands-{first_title}.lua"
    made_before = round(min(MADE_BEFORE, 600 * clients) * seconds / len(urls))
    addresses = ", ".join(f'"{urlsplit(url).netloc}"' for url in urls)
    titles_a_thread = TITLES_A_LOAD // len(urls)
    window = WINDOW_A_CLIENT * clients // len(urls)
    values = (window, f"bench-{first_title}-", first_title, made_before, titles_a_thread, addresses)
    lua.write_text(_LUA % values, "utf-8")
    command = ["wrk", f"-t{len(urls)}", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "--latency"]
    done = subprocess.run(
        [*command, "-s", str(lua), urls[0]], capture_output=True, text=True, timeout=seconds + 90, check=True
    )
    if found := re.search(r"(Non-2xx or 3xx responses|Socket errors): .*", done.stdout):
        raise LoadError(f"{', '.join(urls)}: {found[0]}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    assert rate is not None, done.stdout
    return float(rate[1]), percentile(done.stdout, 50), percentile(done.stdout, 99)
