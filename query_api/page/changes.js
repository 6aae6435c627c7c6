// The feed of changes: one stream for the whole page, resumed where it broke, delivered once a frame.
import { observable } from "./observable.js";
import { OUT_OF_REACH, problemError } from "./query_api.js";

const SILENCE_LIMIT_MS = 40_000; // The server sends a heartbeat every 15 s
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
const LONGEST_FRAME_MS = 500; // Tabs in the background have no frames

/** `state`: connecting, live or lost; `reason`: why it is lost. */
export const connection = observable({ state: "connecting", reason: "" });

const listeners = new Set();
let position = "";
let pending = [];
let running = false;

/**
 * Call `listener(changes, reset)` for what happens from now on, at most once a frame. `reset`: changes were
 * missed, for example because the store is another one: load everything again. Returns a function that ends it.
 */
export function followChanges(listener) {
  listeners.add(listener);
  if (!running) {
    running = true;
    run();
  }
  return () => listeners.delete(listener);
}

/** Begin the stream after the position of an answer that is shown; has no effect once the stream has begun. */
export function beginAfter(answered) {
  position ||= answered;
}

async function run() {
  for (let failures = 0; ; failures += 1) {
    try {
      await readStream(() => {
        failures = 0;
        connection.set({ state: "live", reason: "" });
      });
      connection.set({ state: "lost", reason: "The server ended the connection." });
    } catch (error) {
      if (error.status === 400) {
        position = "";
        deliver([], true);
      }
      connection.set({ state: "lost", reason: error.status ? error.message : OUT_OF_REACH });
    }
    const pause = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(failures, 8));
    await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
  }
}

async function readStream(opened) {
  const abort = new AbortController();
  let timer = 0;
  const expectMore = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE_LIMIT_MS);
  };
  expectMore();
  try {
    const headers = { Accept: "text/event-stream", ...(position && { "Last-Event-ID": position }) };
    const response = await fetch("/changes", { headers, signal: abort.signal, cache: "no-store" });
    if (!response.ok) throw problemError(response, await response.json().catch(() => null));
    opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = lineParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      expectMore();
      parse(value);
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** Parses server-sent events; an event without data only moves the position. */
function lineParser() {
  let rest = "";
  let data = "";
  let identifier = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (identifier) position = identifier;
        if (data) queue(JSON.parse(data));
        data = identifier = "";
      } else if (line.startsWith("data: ")) {
        data += line.slice(6);
      } else if (line.startsWith("id: ")) {
        identifier = line.slice(4);
      }
    }
  };
}

function queue(change) {
  if (pending.push(change) > 1) return;
  let delivered = false;
  const flush = () => {
    if (delivered) return;
    delivered = true;
    const batch = pending;
    pending = [];
    deliver(batch, false);
  };
  requestAnimationFrame(flush);
  setTimeout(flush, LONGEST_FRAME_MS);
}

function deliver(changes, reset) {
  for (const listener of [...listeners]) listener(changes, reset);
}
